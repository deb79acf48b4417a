import random
import time

import pytest
from colbert_checkpoints import tiny_checkpoint
from lateral import RAG
from lateral.errors import InvalidArgumentError, SourceRootError
from lateral.rag.evaluation.encoding_pace import BATCH
from lateral.rag.evaluation.estimate import estimate
from lateral.retrievers.bi_encoder import BiEncoderRetriever
from lateral.retrievers.bm25 import BM25Retriever
from lateral.retrievers.hash_embedder import HashEmbedder
from lateral.retrievers.store.formats import FORMATS
from pdfs import make_pdf

LOADING = 2.0  # seconds: far more than one small file takes
SAMPLE_FACTOR = 1.5  # how far a sample of a quarter of the files may be off


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """Forty text files, twelve Markdown files and twelve PDFs of very different lengths."""
    folder, chance = tmp_path_factory.mktemp("papers"), random.Random(5)
    words = ["".join(chance.choices("abcdefghilmnoprstu", k=chance.randint(3, 10))) for _ in range(3_000)]

    def sentence():
        return " ".join(chance.choices(words, k=chance.randint(6, 20))).capitalize() + "."

    def prose(sentences):
        return " ".join(sentence() for _ in range(sentences))

    for at in range(40):
        (folder / f"note-{at}.txt").write_text("\n\n".join(prose(6) for _ in range(chance.randint(1, 25))))
    for at in range(12):
        parts = [f"## {sentence()[:30]}\n\n{prose(8)}" for _ in range(chance.randint(1, 8))]
        (folder / f"page-{at}.md").write_text("\n\n".join(parts))
    for at in range(12):
        pages = [[sentence()[:90] for _ in range(25)] for _ in range(chance.randint(1, 6))]
        (folder / f"paper-{at}.pdf").write_bytes(make_pdf(pages, title=f"Paper {at}"))
    return folder


@pytest.fixture(scope="module")
def added(papers, tmp_path_factory):
    """What the index of these files holds in truth."""
    with RAG(tmp_path_factory.mktemp("real") / "index", retrievers=retrievers()) as rag:
        rag.add(papers)
        return rag.status()


def retrievers(vectors=None):
    return BM25Retriever(), BiEncoderRetriever(encoder=HashEmbedder(64), vectors=vectors)


def ratio(estimated, truth):
    return max(estimated / truth, truth / estimated)


def test_the_whole_folder_as_the_sample_gives_its_counts_and_bytes(papers, added):
    found = estimate(papers, retrievers(), sample=1_000)
    assert found.files_read == found.files == added.documents == found.documents.value == 64
    assert (found.pages.value, found.chunks.value) == (added.pages, added.chunks)
    assert found.chunks.low == found.chunks.high
    assert found.vectors["bi-encoder"].vectors.value == added.vectors["bi-encoder"].vectors
    assert ratio(found.vectors["bi-encoder"].bytes["float32"].value, added.vectors["bi-encoder"].bytes) < 1.2
    assert ratio(found.index_bytes.value, added.bytes) < 1.2
    assert found.notes == ()


def test_a_sample_of_a_quarter_is_near_and_its_range_holds_the_truth(papers, added):
    found = estimate(papers, retrievers(), sample=16)
    assert found.files_read <= 18
    assert found.documents.value == 64
    assert ratio(found.chunks.value, added.chunks) < SAMPLE_FACTOR
    assert ratio(found.index_bytes.value, added.bytes) < SAMPLE_FACTOR
    assert found.chunks.low <= added.chunks <= found.chunks.high


@pytest.mark.parametrize("form", FORMATS)
def test_bytes_at_each_compression_are_those_of_a_real_index(papers, tmp_path, form):
    source = papers / "note-1.txt"
    with RAG(tmp_path / "index", retrievers=retrievers(form)) as rag:
        rag.add(source)
        use = rag.status().vectors["bi-encoder"]
    found = estimate(source, retrievers(form)).vectors["bi-encoder"]
    header = 128  # of a .npy file
    assert found.format == form
    assert found.bytes[form].value == pytest.approx(use.bytes - header)


def test_time_memory_and_tokens_are_told(papers):
    found = estimate(papers, retrievers(), sample=8)
    assert 0 < found.seconds.low <= found.seconds.value <= found.seconds.high
    assert found.memory_bytes.value > found.vectors["bi-encoder"].bytes["float32"].value
    assert 0 < found.context_tokens <= 2_000 < found.context_tokens + found.prompt_tokens


def test_the_seconds_of_loading_a_model_are_told_apart(papers):
    class SlowToLoad(HashEmbedder):
        loaded = False

        def encode_documents(self, texts):
            if not self.loaded:
                time.sleep(LOADING)
            self.loaded = True
            return super().encode_documents(texts)

    found = estimate(papers / "note-1.txt", [BiEncoderRetriever(encoder=SlowToLoad(64))])
    assert found.load_seconds >= LOADING
    assert found.seconds.value < LOADING


def test_without_encoding_there_is_no_time_and_a_note_says_so(papers):
    found = estimate(papers, retrievers(), sample=8, encode=False)
    assert (found.seconds, found.load_seconds) == (None, None)
    assert "no time" in found.notes[0]


@pytest.mark.slow  # a checkpoint is made and loaded twice
def test_token_vectors_are_counted_as_colbert_makes_them(papers, tmp_path):
    from lateral.retrievers.colbert import ColBERTRetriever

    checkpoint = tiny_checkpoint(tmp_path / "tiny")
    chosen = (ColBERTRetriever(str(checkpoint)),)
    source = tmp_path / "note.txt"
    source.write_text((papers / "note-1.txt").read_text()[:2_000])
    with RAG(tmp_path / "index", retrievers=(ColBERTRetriever(str(checkpoint)),)) as rag:
        rag.add(source)
        truth = rag.status().vectors["colbert"].vectors
        assert rag.status().chunks <= BATCH, "one batch is encoded whole, however slow the machine is"
    assert estimate(source, chosen).vectors["colbert"].vectors.value == truth
    counted = estimate(source, chosen, encode=False).vectors["colbert"].vectors.value
    assert ratio(counted, truth) < 1.3


def test_files_that_cannot_be_read_are_named_and_others_go_on(papers, tmp_path):
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "tea.txt").write_text("Green tea is brewed at 80 degrees.")
    found = estimate(tmp_path, retrievers())
    assert sorted(it.source.rpartition("/")[2] for it in found.failed) == ["broken.pdf", "empty.txt"]
    assert (found.documents.value, found.chunks.value) == (1, 1)


def test_words_alone_need_no_vectors(papers):
    found = estimate(papers, [BM25Retriever()], sample=8)
    assert found.vectors == {}
    assert found.seconds.value > 0


def test_a_folder_without_files_is_an_error(tmp_path):
    with pytest.raises(InvalidArgumentError, match="there is no file to read"):
        estimate(tmp_path, retrievers())
    with pytest.raises(SourceRootError, match="there is no file or folder"):
        estimate(tmp_path / "missing", retrievers())

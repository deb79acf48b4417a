"""What only token vectors bring: texts without any, values too large, long queries, encoders of the wrong kind."""

import tracemalloc

import pytest
from lateral import RAG, BiEncoderRetriever, BM25Retriever, ColBERTRetriever
from lateral.errors import EncoderMismatchError, IndexConfigError, InvalidArgumentError
from lateral.retrievers import HashEmbedder
from lateral.retrievers.retriever import VectorSpace
from lateral.retrievers.store import Index
from word_vectors import DIM, WordVectors


@pytest.fixture
def rag(tmp_path):
    return RAG(tmp_path / "index", retrievers=(ColBERTRetriever(encoder=WordVectors()),))


def test_a_text_without_tokens_outlives_the_others_of_its_segment(rag):
    rag.add([{"id": "words", "text": "alpha beta gamma delta"}, {"id": "figures", "text": "1 2 3 4"}])
    rag.remove("words")
    rag.add({"id": "more", "text": "alpha beta"})
    assert [hit.node.source for hit in rag.retrieve("alpha")] == ["more"]
    assert rag.status().documents == 2
    assert rag.verify().problems == ()


def test_segments_without_vectors_are_freed_with_their_texts(rag):
    for number in range(4):
        rag.add({"id": str(number), "text": f"{number} {number}"})
    rag.remove([str(number) for number in range(4)])
    rag.add({"id": "a", "text": "alpha"})
    with rag.index.read() as snapshot:
        assert sum(segment.rows for _, segment in snapshot.segments()) == 1
        assert len(snapshot.segments()) == 1


def test_vectors_that_are_not_of_length_1_are_refused(tmp_path):
    rag = RAG(tmp_path / "index", retrievers=(ColBERTRetriever(encoder=WordVectors(scale=1e6)),))
    with pytest.raises(InvalidArgumentError, match=r"vectors of length 1, got one of length 1e\+06"):
        rag.add({"id": "a", "text": "alpha beta"})


def test_a_long_query_is_scored_in_runs_as_in_one(rag):
    rag.add([{"id": "a", "text": "alpha beta gamma"}, {"id": "b", "text": "delta epsilon"}])
    whole, long = (rag.retrieve(" ".join(["alpha"] * times)) for times in (3, 300))
    assert [hit.node.source for hit in long] == [hit.node.source for hit in whole] == ["a", "b"]
    for short_hit, long_hit in zip(whole, long, strict=True):
        assert long_hit.score == pytest.approx(short_hit.score, abs=1e-5)


def test_token_vectors_stay_in_memory_up_to_cache_bytes(rag):
    rag.add([{"id": str(at), "text": " ".join(f"w{at}x{word}" for word in range(200))} for at in range(20)])
    vectors = 20 * 200 * DIM  # at a byte each
    found, held = [], []
    for cache_bytes in (vectors - 1, vectors):
        with RAG(
            rag.index.folder, retrievers=(ColBERTRetriever(encoder=WordVectors(), cache_bytes=cache_bytes),)
        ) as opened:
            opened.retrieve("w0x0")  # what is read once
            tracemalloc.start()
            opened.index.close()
            before = tracemalloc.get_traced_memory()[0]
            found.append([(hit.node.source, hit.score) for hit in opened.retrieve("w7x5", top_k=3)])
            held.append(tracemalloc.get_traced_memory()[0] - before)
            tracemalloc.stop()
    assert found[0] == found[1]
    assert held[1] - held[0] > vectors / 2


def test_cache_bytes_below_0_are_refused():
    with pytest.raises(InvalidArgumentError, match="cache_bytes must be a whole number of at least 0, got -1"):
        ColBERTRetriever(encoder=WordVectors(), cache_bytes=-1)


def test_a_score_is_in_its_scale(tmp_path):
    rag = RAG(tmp_path / "index", retrievers=(ColBERTRetriever(encoder=WordVectors(), vectors="int8"),))
    rag.add({"id": "a", "text": "alpha beta gamma delta epsilon zeta"})
    assert 0.99 < rag.retrieve("alpha beta gamma delta epsilon zeta")[0].score <= 1


def test_an_encoder_of_another_space_is_refused_after_one_that_fits_has_searched_the_same_index(tmp_path):
    RAG(tmp_path / "index", retrievers=(ColBERTRetriever(encoder=WordVectors()),)).add(
        {"id": "a", "text": "alpha beta"}
    )
    other = WordVectors()
    other.space = VectorSpace("other words", DIM, "other words")
    index = Index(tmp_path / "index")
    fitting, wrong = ColBERTRetriever(encoder=WordVectors()), ColBERTRetriever(encoder=other)
    for retriever in (fitting, wrong):
        retriever.attach(index)
    assert [hit.node.source for hit in fitting.retrieve("alpha", 1)] == ["a"]
    with pytest.raises(EncoderMismatchError, match="'other words' makes vectors of another space"):
        wrong.retrieve("alpha", 1)


class Second(ColBERTRetriever):
    """Another one in the same index."""

    name = "colbert-2"


def test_a_second_colbert_retriever_leaves_the_first_one_its_plaid(tmp_path):
    first = ColBERTRetriever(encoder=WordVectors(), pool_factor=1)
    second = Second(encoder=WordVectors(), index="exact")
    rag = RAG(tmp_path / "index", retrievers=(first, second))
    rag.add({"id": "a", "text": "alpha beta"})
    with rag.index.write() as writer:
        for name in ("plaid", "plaid-colbert-2"):
            writer.publish(name, lambda folder: (folder / "manifest.json").write_text("{}"))
        second.refresh(writer)
    assert list(rag.status().derived_uses) == ["plaid"]


def test_an_encoder_of_the_wrong_kind_is_refused():
    with pytest.raises(InvalidArgumentError, match="use it with ColBERTRetriever"):
        BiEncoderRetriever(encoder=WordVectors())
    with pytest.raises(InvalidArgumentError, match="needs token vectors, from a TokenEncoder, got HashEmbedder"):
        ColBERTRetriever(encoder=HashEmbedder(16))


@pytest.mark.parametrize(
    "make",
    [
        BM25Retriever,
        lambda: BiEncoderRetriever(encoder=HashEmbedder(16)),
        lambda: ColBERTRetriever(encoder=WordVectors()),
    ],
)
def test_a_retriever_serves_one_index(tmp_path, make):
    shared = make()
    first = RAG(tmp_path / "first", retrievers=(shared,))
    first.add({"id": "a", "text": "alpha"})
    with pytest.raises(IndexConfigError, match=r"serves the index at .*first': make another one for .*second"):
        RAG(tmp_path / "second", retrievers=(shared,)).add({"id": "b", "text": "beta"})
    assert [hit.node.source for hit in first.retrieve("alpha")] == ["a"]

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from lateral import RAG, BiEncoderRetriever, Document, Section
from lateral.errors import (
    EncoderMismatchError,
    IndexConfigError,
    IndexLockedError,
    IndexNotFoundError,
    InvalidArgumentError,
    SourceRootError,
    StoreError,
)
from lateral.loaders.node import document_id
from lateral.rag.generators.extractive import NOTHING_FOUND
from lateral.rag.generators.generator import ScriptedGenerator
from lateral.retrievers import CannedRetriever, HashEmbedder, ranked
from pdfs import make_pdf

FACTS = {
    "honey.txt": "Honey keeps for years in a closed jar. Bees make it from nectar.",
    "bread.txt": "Sourdough rises for twelve hours. The oven is heated to 230 degrees.",
    "tea.txt": "Green tea is brewed at 80 degrees for two minutes.",
}


class CountingEmbedder(HashEmbedder):
    """The hash embedder, with a count of what it encodes, that can be told to fail."""

    def __init__(self, dim=64):
        super().__init__(dim)
        self.encoded = []
        self.fail = False

    def encode_documents(self, texts):
        if self.fail:
            raise RuntimeError("the encoder broke")
        self.encoded += texts
        return super().encode_documents(texts)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in FACTS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def embedder():
    return CountingEmbedder()


@pytest.fixture
def rag(tmp_path, embedder):
    return RAG(tmp_path / "index", retrievers=("bm25", BiEncoderRetriever(encoder=embedder)))


def sources(rag):
    return [Path(source).name for source in rag.status().sources]


def counts(report):
    return report.added, report.updated, report.unchanged, report.removed


def test_a_folder_is_added_and_asked(rag, folder):
    report = rag.add(folder)
    assert counts(report) == (3, 0, 0, 0)
    assert report.nodes == 3
    answer = rag.ask("At how many degrees is green tea brewed?")
    assert "“Green tea is brewed at 80 degrees for two minutes.” [1]" in answer.text
    assert answer.citations[0].supported
    assert answer.citations[0].source == str(folder / "tea.txt")
    assert answer.degraded == ()


def test_adding_again_encodes_nothing_and_changes_nothing(rag, folder, embedder):
    rag.add(folder)
    before, encoded = rag.retrieve("degrees"), list(embedder.encoded)
    assert counts(rag.add(folder)) == (0, 0, 3, 0)
    assert embedder.encoded == encoded
    assert [(hit.node.id, hit.score) for hit in rag.retrieve("degrees")] == [(hit.node.id, hit.score) for hit in before]


def test_a_touched_file_is_unchanged_and_a_rewritten_one_updated(rag, folder, embedder):
    rag.add(folder)
    os.utime(folder / "tea.txt")
    (folder / "bread.txt").write_text("Rye bread keeps for two weeks.")
    embedder.encoded.clear()
    assert counts(rag.add(folder)) == (0, 1, 2, 0)
    assert embedder.encoded == ["Rye bread keeps for two weeks."]
    assert (
        rag.retrieve("sourdough oven", 1, {"file_name": "bread.txt"})[0].node.text == "Rye bread keeps for two weeks."
    )


def test_a_change_that_keeps_size_and_modification_time_is_seen(rag, folder):
    rag.add(folder)
    path = folder / "tea.txt"
    status = path.stat()
    path.write_text(path.read_text().replace("80", "90"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert counts(rag.add(folder)) == (0, 1, 2, 0)


def test_a_renamed_file_reuses_its_vectors_and_sync_drops_the_old_name(rag, folder, embedder):
    rag.add(folder)
    (folder / "tea.txt").rename(folder / "green-tea.txt")
    embedder.encoded.clear()
    assert counts(rag.sync(folder)) == (1, 0, 2, 1)
    assert embedder.encoded == []
    assert sources(rag) == ["bread.txt", "green-tea.txt", "honey.txt"]
    assert rag.retrieve("green tea")[0].node.metadata["file_name"] == "green-tea.txt"


def test_add_keeps_what_is_gone_and_sync_removes_it(rag, folder):
    rag.add(folder)
    (folder / "tea.txt").unlink()
    assert counts(rag.add(folder)) == (0, 0, 2, 0)
    assert counts(rag.sync(folder)) == (0, 0, 2, 1)
    assert all(hit.node.source != str(folder / "tea.txt") for hit in rag.retrieve("green tea", 50))


def test_sync_leaves_other_folders_and_documents_in_memory_alone(rag, folder, tmp_path):
    other = tmp_path / "files-2"  # a name that begins like the folder's
    other.mkdir()
    (other / "salt.txt").write_text("Salt melts ice.")
    rag.add([folder, other, {"id": "memo", "text": "Call the plumber."}])
    (folder / "tea.txt").unlink()
    (other / "salt.txt").unlink()
    assert counts(rag.sync(folder)) == (0, 0, 2, 1)
    assert sorted(sources(rag)) == ["bread.txt", "honey.txt", "memo", "salt.txt"]


def test_sync_refuses_a_missing_and_an_emptied_root(rag, folder, tmp_path):
    rag.add(folder)
    folder.rename(tmp_path / "away")
    with pytest.raises(SourceRootError, match="there is no file or folder"):
        rag.sync(folder)
    folder.mkdir()
    with pytest.raises(SourceRootError, match="is empty, and the index holds 3 documents from it"):
        rag.sync(folder)
    assert rag.status().documents == 3


def test_sync_judges_each_root_alone_and_hidden_files_are_no_content(rag, folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "salt.txt").write_text("Salt melts ice.")
    rag.add([folder, other])
    for path in folder.iterdir():
        path.unlink()
    (folder / ".DS_Store").write_text("left by a file manager")
    with pytest.raises(SourceRootError, match="is empty, and the index holds 3 documents"):
        rag.sync([other, folder])
    assert rag.status().documents == 4


@pytest.mark.parametrize("call", ["add", "sync", "remove"])
def test_an_empty_path_is_refused(rag, folder, call):
    rag.add(folder)
    with pytest.raises(InvalidArgumentError, match="must not be empty"):
        getattr(rag, call)("")
    assert rag.status().documents == 3


def test_a_file_that_became_something_unread_keeps_its_old_version_and_is_named(rag, folder):
    rag.add(folder)
    (folder / "tea.txt").write_bytes(b"PK\x03\x04 now a zip archive" + bytes(100))
    for change in (rag.add, rag.sync):
        report = change(folder)
        assert [(Path(it.source).name, it.error) for it in report.failed] == [("tea.txt", "UnsupportedFormatError")]
        assert "tea.txt" in sources(rag)
    assert "UnsupportedFormatError" in rag.status().stale[str(folder / "tea.txt")]


def test_a_missing_path_makes_no_index(rag, tmp_path):
    with pytest.raises(SourceRootError, match="there is no file or folder"):
        rag.add(tmp_path / "nowhere")
    assert not (tmp_path / "index").exists()


def test_a_file_that_no_longer_reads_is_reported_and_its_old_version_stays(rag, folder):
    pdf = folder / "manual.pdf"
    pdf.write_bytes(make_pdf([["The valve opens at four bar."]]))
    rag.add(folder)
    pdf.write_bytes(pdf.read_bytes()[:200])
    report = rag.sync(folder)
    assert [(Path(it.source).name, it.error) for it in report.failed] == [("manual.pdf", "CorruptDocumentError")]
    assert rag.retrieve("valve bar")[0].node.page == 1
    assert "CorruptDocumentError" in rag.status().stale[str(pdf)]
    pdf.write_bytes(make_pdf([["The valve opens at five bar."]]))
    rag.add(folder)
    assert rag.status().stale == {}


def test_pdf_hits_and_citations_name_the_page(rag, folder):
    (folder / "manual.pdf").write_bytes(
        make_pdf([["Turn the key to the left."], ["The valve opens at four bar of pressure."]])
    )
    rag.add(folder)
    hit = rag.retrieve("At what pressure does the valve open?")[0]
    assert (hit.node.page, hit.node.metadata["page_label"]) == (2, "2")
    answer = rag.ask("At what pressure does the valve open?")
    assert (answer.citations[0].source, answer.citations[0].page) == (str(folder / "manual.pdf"), 2)


def test_a_pdf_without_text_is_kept_and_said(rag, tmp_path):
    samples = Path(__file__).parents[2] / "notebooks" / "samples"
    report = rag.add(samples / "boil-notice-scan.pdf")
    assert counts(report) == (1, 0, 0, 0)
    assert "pages 1-2 have no text layer" in report.warnings[0][1]
    assert "pages 1-2 have no text layer" in report.as_dict()["skipped"][0]["reason"]
    status = rag.status()
    assert (status.chunks, status.pages, status.pages_without_text) == (0, 2, 2)
    assert rag.ask("Where is water handed out?").text == NOTHING_FOUND


def test_documents_in_memory_are_added_updated_and_removed_by_their_ids(rag):
    report = rag.add(
        [{"id": "a", "text": "Cats sleep a lot.", "metadata": {"shelf": 1}}, {"id": "b", "text": "Dogs bark."}]
    )
    assert counts(report) == (2, 0, 0, 0)
    again = rag.add(
        [{"id": "a", "text": "Cats sleep all day.", "metadata": {"shelf": 1}}, {"id": "b", "text": "Dogs bark."}]
    )
    assert counts(again) == (0, 1, 1, 0)
    moved = rag.add({"id": "b", "text": "Dogs bark.", "metadata": {"shelf": 2}})
    assert counts(moved) == (0, 1, 0, 0), "metadata are content too"
    assert [hit.node.source for hit in rag.retrieve("cats dogs", where={"shelf": {"$gte": 2}})] == ["b"]
    assert counts(rag.remove("a")) == (0, 0, 0, 1)
    assert sources(rag) == ["b"]


def test_a_document_with_pages_in_memory_keeps_them(rag):
    rag.add(Document("scan-7", (Section("First page words.", page=1), Section("Second page words.", page=2))))
    assert rag.retrieve("second")[0].node.page == 2


def test_a_generator_of_documents_is_streamed(rag):
    report = rag.add({"id": f"doc-{at}", "text": f"number {at}"} for at in range(1200))
    assert counts(report) == (1200, 0, 0, 0)


def test_an_iterator_of_paths_is_taken_as_paths(rag, folder):
    assert counts(rag.add(folder.glob("*a*.txt"))) == (2, 0, 0, 0)
    assert sources(rag) == ["bread.txt", "tea.txt"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (17, "a source must be a path"),
        ([17], "a source must be a path"),
        ({"text": "no id"}, "must have an 'id' and a 'text'"),
        ({"id": "a", "text": "x", "txet": "y"}, "must have an 'id' and a 'text'"),
        ({"id": "a", "text": "x", "metadata": {"when": object()}}, "metadata"),
        ([{"id": "a", "text": "x"}, {"id": "a", "text": "y"}], "stands twice"),
    ],
)
def test_a_wrong_source_is_named(rag, source, message):
    with pytest.raises(InvalidArgumentError, match=message):
        rag.add(source)


def test_a_blank_document_in_memory_is_a_failure_and_the_rest_goes_on(rag):
    report = rag.add([{"id": "blank", "text": "  "}, {"id": "full", "text": "words"}])
    assert [(it.source, it.error) for it in report.failed] == [("blank", "EmptyDocumentError")]
    assert counts(report) == (1, 0, 0, 0)


def test_an_error_in_the_middle_keeps_what_came_before_it(rag):
    with pytest.raises(InvalidArgumentError, match="stands twice"):
        rag.add({"id": name, "text": f"document {name}"} for name in "abca")
    assert sources(rag) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (Document("x", (Section("bad \ud800 text"),)), "lone surrogates"),
        (Document("x", (Section("same"), Section("same"))), "stand at one place"),
        ({"id": "x", "text": "y", "metadata": {"title": "\ud800"}}, "lone surrogates"),
        ({"id": "x", "text": "y", "metadata": ["a"]}, "metadata must be a mapping"),
    ],
)
def test_a_document_that_cannot_be_stored_is_named(rag, document, message):
    with pytest.raises(InvalidArgumentError, match=message):
        rag.add(document)


def test_a_document_id_that_is_an_indexed_file_is_refused(rag, folder):
    rag.add(folder)
    with pytest.raises(InvalidArgumentError, match="is a file of the index"):
        rag.add({"id": str(folder / "tea.txt"), "text": "coffee"})


def test_a_memory_id_wins_over_a_folder_of_that_name(rag, tmp_path, folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rag.add([folder, {"id": "files", "text": "a memo"}])
    assert counts(rag.remove("files")) == (0, 0, 0, 1)
    assert "memo" not in [hit.node.source for hit in rag.retrieve("memo")]


def test_remove_takes_paths_folders_and_ids_and_refuses_the_unknown(rag, folder):
    rag.add(folder)
    with pytest.raises(InvalidArgumentError, match=r"holds no document 'nothing\.txt'"):
        rag.remove([str(folder / "tea.txt"), "nothing.txt"])
    assert rag.status().documents == 3, "nothing is removed when one name is unknown"
    assert counts(rag.remove(document_id(str(folder / "tea.txt")))) == (0, 0, 0, 1)
    assert counts(rag.remove(folder)) == (0, 0, 0, 2)


def test_an_encoder_that_breaks_keeps_what_was_committed(rag, embedder):
    rag.add({"id": "before", "text": "kept words"})
    embedder.fail = True
    with pytest.raises(RuntimeError, match="the encoder broke"):
        rag.add([{"id": "after", "text": "lost words"}])
    embedder.fail = False
    assert sources(rag) == ["before"]
    assert counts(rag.add([{"id": "after", "text": "lost words"}])) == (1, 0, 0, 0), "the lock is free again"


class WideEncoder(HashEmbedder):
    def encode_documents(self, texts):
        return np.zeros((len(texts), 99), np.float32)


def test_an_encoder_that_gives_another_shape_is_refused(tmp_path):
    rag = RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=WideEncoder(16)),))
    with pytest.raises(InvalidArgumentError, match=r"must give finite vectors of shape \(1, 16\), got \(1, 99\)"):
        rag.add({"id": "a", "text": "words"})


def test_the_catalog_remembers_and_a_different_wish_is_an_error(rag, folder, tmp_path):
    rag.add(folder)
    path = tmp_path / "index"
    reopened = RAG(path)
    assert reopened.retrieve("green tea")[0].node.metadata["file_name"] == "tea.txt", (
        "hash-embedder-64 is found by name"
    )
    with pytest.raises(IndexConfigError, match="made with chunk_size=512, got 100"):
        RAG(path, chunk_size=100).add(folder)
    with pytest.raises(IndexConfigError, match="made with the retrievers bm25, bi-encoder"):
        RAG(path, retrievers=("bm25",)).retrieve("tea")
    with pytest.raises(EncoderMismatchError, match="another space"):
        RAG(path, retrievers=("bm25", BiEncoderRetriever(encoder=HashEmbedder(32)))).retrieve("tea")
    (folder / "new.txt").write_text("New words.")
    with pytest.raises(EncoderMismatchError, match="another space"):
        RAG(path, retrievers=("bm25", BiEncoderRetriever(encoder=HashEmbedder(32)))).add(folder)


def test_chunks_are_as_long_as_the_encoder_reads_whole(rag, tmp_path):
    rag.add({"id": "long", "text": "word " * 2000})
    status = rag.status()
    assert (status.chunk_size, status.chunk_overlap, status.cut_passages) == (512, 32, 0)


def test_passages_longer_than_the_encoder_reads_are_counted_and_said(tmp_path, caplog):
    rag = RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=HashEmbedder(16)),), chunk_size=1000)
    rag.add({"id": "long", "text": "word " * 900})
    assert rag.status().cut_passages == 1
    assert "1 passages are longer than the 512 tokens" in caplog.text


def test_two_retrievers_with_one_space_share_its_vectors(tmp_path):
    class Second(BiEncoderRetriever):
        name = "second"

    encoder = CountingEmbedder()
    rag = RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=encoder), Second(encoder=encoder)))
    rag.add({"id": "a", "text": "some words"})
    assert encoder.encoded == ["some words"]
    assert [step.stage for step in rag.retrieve("words")[0].trail] == ["bi-encoder", "second", "rrf"]


def test_a_rag_that_looked_before_the_index_was_made_follows_the_catalog(tmp_path):
    early = RAG(tmp_path / "index", retrievers=("bm25",))
    assert [retriever.name for retriever in early.retrievers] == ["bm25"]
    RAG(tmp_path / "index", retrievers=("bm25", BiEncoderRetriever(encoder=HashEmbedder()))).add(
        {"id": "a", "text": "b c"}
    )
    with pytest.raises(IndexConfigError, match="made with the retrievers bm25, bi-encoder"):
        early.add({"id": "d", "text": "e f"})


def test_an_index_without_documents_can_be_made_otherwise(tmp_path, folder):
    broken = CountingEmbedder()
    broken.fail = True
    with pytest.raises(RuntimeError, match="broke"):
        RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=broken),)).add(folder)
    rag = RAG(tmp_path / "index", retrievers=("bm25",), chunk_size=40)
    rag.add(folder)
    assert (list(rag.status().retrievers), rag.status().chunk_size) == (["bm25"], 40)


def test_retrievers_are_named_once_and_as_they_are(tmp_path):
    with pytest.raises(InvalidArgumentError, match="each retriever can be named once"):
        RAG(tmp_path / "index", retrievers=("bm25", "bm25")).add({"id": "a", "text": "b"})
    with pytest.raises(InvalidArgumentError, match="there is no retriever named 'bi_encoder'"):
        RAG(tmp_path / "index", retrievers=("bi_encoder",)).add({"id": "a", "text": "b"})
    one = RAG(tmp_path / "one", retrievers="bm25")
    one.add({"id": "a", "text": "two words"})
    assert [step.stage for step in one.retrieve("words")[0].trail] == ["bm25"]


@pytest.mark.parametrize("query", ["lone \ud800 surrogate words", "words " * 10_000, "wörds 🐍 \0 words"])
def test_odd_queries_are_answered(rag, folder, query):
    rag.add({"id": "a", "text": "some words"})
    assert rag.retrieve(query)[0].node.source == "a"


def test_a_query_that_is_no_text_is_refused(rag):
    rag.add({"id": "a", "text": "some words"})
    for call in (rag.retrieve, rag.ask, rag.stream):
        with pytest.raises(InvalidArgumentError, match="a query must be a text, got None"):
            call(None)


def test_reading_without_an_index_says_how_to_make_one(rag):
    for call in (lambda: rag.retrieve("tea"), lambda: rag.ask("tea?"), rag.status, rag.verify):
        with pytest.raises(IndexNotFoundError, match="lateral add"):
            call()


@pytest.mark.parametrize("top_k", [0, -1, True])
def test_a_wrong_top_k_is_refused(rag, top_k):
    with pytest.raises(InvalidArgumentError, match="top_k must be a whole number of at least 1"):
        rag.retrieve("tea", top_k)


def test_the_trail_tells_every_rank_and_score(rag, folder):
    rag.add(folder)
    hits = rag.retrieve("green tea degrees", 3)
    best = hits[0]
    stages = {step.stage: step for step in best.trail}
    assert list(stages) == ["bm25", "bi-encoder", "rrf"]
    assert (
        best.score
        == stages["rrf"].score
        == pytest.approx(1 / (60 + stages["bm25"].rank) + 1 / (60 + stages["bi-encoder"].rank))
    )


def test_your_own_retriever_reranker_and_generator_are_used(tmp_path, rag, folder):
    rag.add(folder)
    hits = rag.retrieve("tea bread honey", 3)

    class Reverse:
        def rerank(self, query, hits, top_k):
            return ranked("reverse", [type(hit)(hit.node, -hit.score, hit.trail) for hit in hits], top_k=top_k)

    generator = ScriptedGenerator(["Tea is brewed at 80 degrees [1]."])
    own = RAG(
        tmp_path / "index",
        retrievers=("bm25", "bi-encoder", CannedRetriever(hits)),
        reranker=Reverse(),
        generator=generator,
    )
    assert own.retrieve("tea", 2)[0].trail[-1].stage == "reverse"
    answer = own.ask("How hot is tea?")
    assert answer.text == "Tea is brewed at 80 degrees [1]."
    assert "<question>\nHow hot is tea?\n</question>" in generator.calls[0][-1]["content"]


def test_streaming_gives_the_text_in_pieces_and_the_citations_at_the_end(rag, folder):
    rag.add(folder)
    stream = rag.stream("At how many degrees is green tea brewed?")
    text = "".join(stream)
    assert text == stream.finish().text == rag.ask("At how many degrees is green tea brewed?").text


def test_the_async_forms_give_what_the_sync_ones_give(tmp_path, folder, embedder):
    async def main():
        rag = RAG(tmp_path / "index", retrievers=("bm25", BiEncoderRetriever(encoder=embedder)))
        report = await rag.aadd(folder)
        hits, answer = await asyncio.gather(rag.aretrieve("tea"), rag.aask("How hot is green tea brewed?"))
        streamed = "".join([piece async for piece in rag.astream("How hot is green tea brewed?")])
        return rag, report, hits, answer, streamed

    rag, report, hits, answer, streamed = asyncio.run(main())
    assert report.added == 3
    assert [hit.node.id for hit in hits] == [hit.node.id for hit in rag.retrieve("tea")]
    assert streamed == answer.text == rag.ask("How hot is green tea brewed?").text


def test_progress_is_told_and_ends_at_the_total(rag, folder):
    told = []
    rag.add(folder, on_progress=told.append)
    assert (told[-1].done, told[-1].total, told[-1].nodes) == (3, 3, 3)
    assert [it.done for it in told] == sorted(it.done for it in told)


def test_a_second_writer_is_refused_and_readers_go_on(rag, folder, tmp_path):
    rag.add(folder)
    with rag.index.write(), pytest.raises(IndexLockedError, match="is writing"):
        RAG(tmp_path / "index").add(folder)
    with rag.index.write():
        assert rag.retrieve("tea")


def test_a_reader_never_sees_a_mixture_while_a_writer_replaces_everything(tmp_path):
    """Every version of the corpus has one number in all its texts: a ranking with two of them would be a mixture."""
    code = (
        "import sys\nfrom crashing_writer import open_rag\nrag = open_rag(sys.argv[1])\n"
        "for version in range(1, 25):\n"
        "    rag.add([{'id': f'doc-{at}', 'text': f'shared words v{version}'} for at in range(12)])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    from crashing_writer import open_rag

    rag = open_rag(tmp_path / "index")
    rag.add([{"id": f"doc-{at}", "text": "shared words v0"} for at in range(12)])
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "index")], env=environment)
    seen = []
    while writer.poll() is None:
        versions = [hit.node.text.split()[-1] for hit in rag.retrieve("shared words", 50)]
        assert len(versions) == 12
        seen.append(set(versions))
    assert writer.returncode == 0
    assert [versions for versions in seen if len(versions) != 1] == []
    assert len(set().union(*seen)) > 3, "the reader must have met several versions"


def test_an_interrupted_add_keeps_what_was_acknowledged_and_goes_on(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for at in range(3000):
        (folder / f"{at:04}.txt").write_text(f"file number {at} with some words")
    command = [sys.executable, "-m", "lateral.tools.cli", "add", str(folder), "--index", str(tmp_path / "index")]
    writer = subprocess.Popen(
        [*command, "--model", "hash-embedder-16", "--json"], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and writer.poll() is None:
        try:
            if RAG(tmp_path / "index").status().documents:
                break
        except IndexNotFoundError:
            time.sleep(0.01)
    writer.send_signal(signal.SIGINT)
    _, noise = writer.communicate(timeout=60)
    assert writer.returncode == 130, noise
    assert b"Traceback" not in noise
    kept = RAG(tmp_path / "index").status().documents
    assert 0 < kept < 3000
    rag = RAG(tmp_path / "index")
    assert rag.retrieve("file number 7 words", 3), "it can be searched at once"
    assert counts(rag.add(folder)) == (3000 - kept, 0, kept, 0)
    assert rag.verify().problems == ()


def test_closing_while_others_read_is_harmless(rag, folder):
    rag.add(folder)
    failures = []

    def read():
        try:
            for _ in range(150):
                assert len(rag.retrieve("tea bread honey", 3)) == 3
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        rag.close()
    assert failures == []


def test_an_index_made_anew_under_a_closed_rag_is_not_confused_with_the_old(rag, folder, tmp_path):
    rag.add(folder)
    assert rag.retrieve("tea")
    rag.close()
    shutil.rmtree(tmp_path / "index")
    RAG(tmp_path / "index", retrievers=("bm25", BiEncoderRetriever(encoder=HashEmbedder()))).add(
        {"id": "new", "text": "tea"}
    )
    assert [hit.node.source for hit in rag.retrieve("tea")] == ["new"]


def test_a_forked_reader_reads_for_itself(rag, folder):
    rag.add(folder)
    expected = [hit.node.id for hit in rag.retrieve("tea")]
    child = os.fork()
    if child == 0:
        os._exit(0 if [hit.node.id for hit in rag.retrieve("tea")] == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert [hit.node.id for hit in rag.retrieve("tea")] == expected


def test_readers_hold_out_while_a_writer_merges_and_publishes_all_the_time(rag, tmp_path):
    rag.add([{"id": f"doc-{at}", "text": f"shared words {at}"} for at in range(30)])
    stop, failures, reads = threading.Event(), [], []

    def read(index):
        own = RAG(index, retrievers=("bm25", BiEncoderRetriever(encoder=HashEmbedder())))
        while not stop.is_set():
            try:
                reads.append(len(own.retrieve("shared words", 50)))
                own.status()
                failures.extend(own.verify().problems)
                own.close()
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=read, args=(tmp_path / "index",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(40):
        rag.add([{"id": f"doc-{at}", "text": f"shared words {at} {turn}"} for at in range(turn % 30, 30)])
    stop.set()
    for thread in threads:
        thread.join()
    assert [it for it in failures if getattr(it, "cure", "") != "refresh"] == []
    assert set(reads) == {30}


def test_a_users_own_file_in_a_folder_named_vectors_is_safe(tmp_path):
    (tmp_path / "index" / "vectors").mkdir(parents=True)
    (tmp_path / "index" / "vectors" / "precious.npy").write_text("mine")
    with pytest.raises(StoreError, match="holds other files"):
        RAG(tmp_path / "index", retrievers="bm25").add({"id": "a", "text": "words"})
    assert (tmp_path / "index" / "vectors" / "precious.npy").read_text() == "mine"


def test_merging_does_not_hide_damage_and_adding_goes_on(rag, tmp_path):
    rag.add({"id": "first", "text": "the first words"})
    (segment,) = (tmp_path / "index" / "vectors").iterdir()
    raw = bytearray(segment.read_bytes())
    raw[-1] ^= 1
    segment.write_bytes(raw)
    for at in range(12):
        assert rag.add({"id": f"doc-{at}", "text": f"more words {at}"}).added == 1
    assert [problem.file for problem in rag.verify().problems] == [f"vectors/{segment.name}"]
    assert rag.verify(repair=True).remaining == ()


def test_verify_finds_a_text_that_was_changed_in_the_catalog(rag, tmp_path):
    rag.add({"id": "a", "text": "eight drops a gallon"})
    with sqlite3.connect(tmp_path / "index" / "catalog.sqlite") as connection:
        connection.execute("UPDATE nodes SET text = 'eighty drops a gallon'")
    (problem,) = rag.verify().problems
    assert problem.cure == "none"
    assert "has changed: its id does not fit" in problem.reason


def test_repair_with_another_encoder_is_refused_and_changes_nothing(rag, folder, tmp_path):
    rag.add(folder)
    damaged(tmp_path / "index", "flipped vector")
    other = RAG(tmp_path / "index", retrievers=("bm25", BiEncoderRetriever(encoder=HashEmbedder(32))))
    with pytest.raises(EncoderMismatchError, match="another space"):
        other.verify(repair=True)
    assert len(rag.verify().problems) == 1


def test_zeroed_pages_of_the_catalog_are_a_named_error_everywhere(rag, folder, tmp_path):
    rag.add(folder)
    rag.close()
    catalog = tmp_path / "index" / "catalog.sqlite"
    raw = bytearray(catalog.read_bytes())
    raw[8000:40000] = bytes(32000)
    catalog.write_bytes(raw)
    fresh = RAG(tmp_path / "index")
    for call in (
        lambda: fresh.retrieve("tea"),
        fresh.status,
        lambda: fresh.add(folder),
        lambda: fresh.verify(repair=True),
    ):
        with pytest.raises(StoreError, match=r"catalog\.sqlite|verify"):
            call()


def test_a_full_disk_is_a_named_error_and_loses_nothing(rag, folder, tmp_path):
    rag.add(folder)
    code = (
        "import resource, sys\nfrom lateral import RAG\nfrom lateral.errors import StoreError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try:\n    RAG(sys.argv[1]).add([{'id': f'd{at}', 'text': f'word{at} ' * 900} for at in range(300)])\n"
        "except StoreError as err:\n    print('StoreError', err)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "index")], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("StoreError"), done.stderr
    assert rag.status().documents == 3
    assert rag.verify().problems == ()
    assert rag.add({"id": "later", "text": "space again"}).added == 1


def damaged(index, what):
    (segment,) = (index / "vectors").iterdir()
    (bm25,) = (index / "bm25").iterdir()
    if what == "flipped vector":
        raw = bytearray(segment.read_bytes())
        raw[-1] ^= 1
        segment.write_bytes(raw)
    elif what == "truncated vectors":
        segment.write_bytes(segment.read_bytes()[:-4])
    elif what == "missing vectors":
        segment.unlink()
    elif what == "missing bm25":
        shutil.rmtree(bm25)
    else:
        path = next(bm25.glob("data*"))
        path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize(
    "what", ["flipped vector", "truncated vectors", "missing vectors", "missing bm25", "zeroed bm25"]
)
def test_verify_finds_damage_and_repair_mends_it_without_the_files(rag, folder, tmp_path, what):
    rag.add(folder)
    expected = [(hit.node.id, hit.score) for hit in rag.retrieve("green tea degrees")]
    assert rag.verify().problems == ()
    shutil.rmtree(folder)
    damaged(tmp_path / "index", what)
    fresh = RAG(tmp_path / "index")
    found = fresh.verify()
    assert len(found.problems) >= 1
    assert found.remaining == found.problems
    mended = fresh.verify(repair=True)
    assert mended.remaining == ()
    assert [(hit.node.id, hit.score) for hit in RAG(tmp_path / "index").retrieve("green tea degrees")] == expected
    assert RAG(tmp_path / "index").verify().problems == ()

import os
from pathlib import Path

import pytest
from builders import counts, source_names
from lateral import Document, Section
from lateral.errors import (
    InvalidArgumentError,
    SourceRootError,
)
from lateral.loaders.node import document_id
from lateral.rag.generators.extractive import NOTHING_FOUND
from pdfs import make_pdf
from stores import on_every_store


@on_every_store
def test_adding_again_encodes_nothing_and_changes_nothing(rag, folder, embedder):
    rag.add(folder)
    before, encoded = rag.retrieve("degrees"), list(embedder.encoded)
    assert counts(rag.add(folder)) == (0, 0, 3, 0)
    assert embedder.encoded == encoded
    assert [(hit.node.id, hit.score) for hit in rag.retrieve("degrees")] == [(hit.node.id, hit.score) for hit in before]


@on_every_store
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


@on_every_store
def test_a_renamed_file_reuses_its_vectors_and_sync_drops_the_old_name(rag, folder, embedder):
    rag.add(folder)
    (folder / "tea.txt").rename(folder / "green-tea.txt")
    embedder.encoded.clear()
    assert counts(rag.sync(folder)) == (1, 0, 2, 1)
    assert embedder.encoded == []
    assert source_names(rag) == ["bread.txt", "green-tea.txt", "honey.txt"]
    assert rag.retrieve("green tea")[0].node.metadata["file_name"] == "green-tea.txt"


@on_every_store
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
    assert sorted(source_names(rag)) == ["bread.txt", "honey.txt", "memo", "salt.txt"]


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
        assert "tea.txt" in source_names(rag)
    assert "UnsupportedFormatError" in rag.status().stale[str(folder / "tea.txt")]


def test_a_missing_path_makes_no_index(rag, tmp_path):
    with pytest.raises(SourceRootError, match="there is no file or folder"):
        rag.add(tmp_path / "nowhere")
    assert not (tmp_path / "index").exists()


@on_every_store
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


def test_a_pdf_without_text_is_kept_and_said(rag, tmp_path):
    samples = Path(__file__).parents[3] / "notebooks" / "samples"
    report = rag.add(samples / "boil-notice-scan.pdf")
    assert counts(report) == (1, 0, 0, 0)
    assert "pages 1-2 have no text layer" in report.warnings[0][1]
    assert "pages 1-2 have no text layer" in report.as_dict()["skipped"][0]["reason"]
    status = rag.status()
    assert (status.chunks, status.pages, status.pages_without_text) == (0, 2, 2)
    assert rag.ask("Where is water handed out?").text == NOTHING_FOUND


@on_every_store
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
    assert source_names(rag) == ["b"]


def test_a_document_with_pages_in_memory_keeps_them(rag):
    rag.add(Document("scan-7", (Section("First page words.", page=1), Section("Second page words.", page=2))))
    assert rag.retrieve("second")[0].node.page == 2


def test_a_generator_of_documents_is_streamed(rag):
    report = rag.add({"id": f"doc-{at}", "text": f"number {at}"} for at in range(1200))
    assert counts(report) == (1200, 0, 0, 0)


def test_an_iterator_of_paths_is_taken_as_paths(rag, folder):
    assert counts(rag.add(folder.glob("*a*.txt"))) == (2, 0, 0, 0)
    assert source_names(rag) == ["bread.txt", "tea.txt"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (17, "a source must be a path"),
        ([17], "a source must be a path"),
        ({"text": "no id"}, "'id' must be a string that is not empty, got None"),
        ({"id": 5, "text": "x"}, "'id' must be a string that is not empty, got 5"),
        ({"id": "", "text": "x"}, "'id' must be a string that is not empty, got ''"),
        ({"id": "a"}, "'text' of the document 'a' must be a string, got None"),
        ({"id": "a", "text": b"x"}, "'text' of the document 'a' must be a string, got b'x'"),
        ({"id": "a", "text": "x", "txet": "y"}, r"must have an 'id' and a 'text' .* got the keys \['txet'\] too"),
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
    assert source_names(rag) == ["a", "b", "c"]


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


@on_every_store
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
    assert source_names(rag) == ["before"]
    assert counts(rag.add([{"id": "after", "text": "lost words"}])) == (1, 0, 0, 0), "the lock is free again"


def test_progress_is_told_and_ends_at_the_total(rag, folder):
    told = []
    rag.add(folder, on_progress=told.append)
    assert (told[-1].done, told[-1].total, told[-1].nodes) == (3, 3, 3)
    assert [it.done for it in told] == sorted(it.done for it in told)

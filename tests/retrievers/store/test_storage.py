"""What a full disk and missing rights do: an error with a name, nothing lost, readers that notice nothing."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from full_disks import file_system, fill, no_file_longer_than
from lateral import RAG, BiEncoderRetriever
from lateral.errors import IndexNotFoundError, StorageError, StoreError
from lateral.retrievers import HashEmbedder
from lateral.retrievers.store import Index
from permissions import without_rights

FEW = [{"id": f"doc-{number}", "text": f"word{number} stands here"} for number in range(4)]
MANY = [{"id": f"more-{number}", "text": f"more{number} " * 400} for number in range(200)]


def open_rag(index):
    encoder = BiEncoderRetriever(encoder=HashEmbedder(16))
    return RAG(index, retrievers=("bm25", encoder), chunk_size=100, chunk_overlap=8)


def hits(rag):
    return [(hit.node.id, hit.node.text, hit.score) for hit in rag.retrieve("word2 stands here", 3)]


def texts(found):
    """Returns the hits without their scores, which change with every document that was committed before the error."""
    return [(node_id, text) for node_id, text, _ in found]


@pytest.fixture
def open_folder():
    """A folder that another user can walk into: pytest's own is closed to them."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def assert_whole_and_writable(index, expected, acknowledged):
    """Every document that was acknowledged is there, every one is whole, and space makes adding work again."""
    with open_rag(index) as rag:
        assert acknowledged <= set(rag.status().sources)
        assert {problem.cure for problem in rag.verify().problems} <= {"refresh"}, (
            "an interrupted add is caught up with"
        )
        assert texts(hits(rag)) == texts(expected)
        assert rag.add([*MANY, {"id": "last", "text": "space again"}]).failed == ()
        assert rag.verify().problems == ()
        assert set(rag.status().sources) == {document["id"] for document in (*FEW, *MANY)} | {"last"}


# From the first byte to nearly enough: the shared memory, the log, a segment, the catalog, bm25's files.
@pytest.mark.parametrize("limit", [0, 1, 1_000, 8_192, 32_768, 50_000, 100_000, 300_000, 600_000])
def test_a_refused_write_is_a_storage_error_and_loses_nothing(tmp_path, limit):
    index = tmp_path / "index"
    with open_rag(index) as rag:
        rag.add(FEW)
    reader = open_rag(index)
    expected = hits(reader)
    with reader.index.read() as snapshot, no_file_longer_than(limit):
        with pytest.raises(StorageError, match=r"index.*can't be .*written.*free some space.*acknowledged is kept"):
            open_rag(index).add(MANY)
        assert snapshot.count("FROM documents") == len(FEW)
        assert hits(reader) == expected, "a reader that was there goes on"
        assert texts(hits(open_rag(index))) == texts(expected), "and a new one opens"
    assert_whole_and_writable(index, expected, {document["id"] for document in FEW})


def test_a_new_index_on_a_full_disk_is_a_storage_error_and_made_once_there_is_space(tmp_path):
    index = tmp_path / "index"
    for limit in (0, 100, 5_000, 40_000):
        with no_file_longer_than(limit), pytest.raises(StorageError, match="free some space"):
            open_rag(index).add(MANY)
    with open_rag(index) as rag:
        assert rag.add(FEW).added + rag.status().documents >= len(FEW)
        assert rag.verify().problems == ()


def test_a_full_file_system_is_a_storage_error_and_loses_nothing(tmp_path):
    with file_system(tmp_path / "small") as place:
        index = place / "index"
        with open_rag(index) as rag:
            rag.add(FEW)
            expected = hits(rag)
        fill(place / "ballast")
        reader = open_rag(index)
        with reader.index.read() as snapshot:
            for number in range(3):
                with pytest.raises(StorageError, match="free some space"):
                    open_rag(index).add({"id": f"new-{number}", "text": "no space for this"})
            assert snapshot.count("FROM documents") == len(FEW)
            assert hits(reader) == expected
            assert hits(open_rag(index)) == expected
        (place / "ballast").unlink()
        with open_rag(index) as rag:
            assert rag.add({"id": "last", "text": "space again"}).added == 1
            assert rag.verify().problems == ()


def test_a_read_only_file_system_is_read_and_refuses_to_be_written_by_name(tmp_path):
    with file_system(tmp_path / "frozen") as place:
        with open_rag(place / "index") as rag:
            rag.add(FEW)
            expected = hits(rag)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        with open_rag(place / "index") as rag:
            assert hits(rag) == expected
            assert rag.verify().problems == ()
            with pytest.raises(StorageError, match=r"index' can't be written: Read-only file system: give this user"):
                rag.add(MANY)
        with pytest.raises(StorageError, match="other' can't be written: Read-only file system"):
            open_rag(place / "other").add(FEW)


def test_an_index_that_may_only_be_read_refuses_to_be_written_by_name(open_folder):
    index = open_folder / "index"
    with open_rag(index) as rag:
        rag.add(FEW)
        expected = hits(rag)
    for path in [*index.rglob("*"), index, open_folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with without_rights(), open_rag(index) as rag:
            assert hits(rag) == expected
            assert rag.verify().problems == ()
            with pytest.raises(StorageError, match=r"index.* can't be written: Permission denied: give this user"):
                rag.add(MANY)
            with pytest.raises(StorageError, match="other' can't be written: Permission denied: give this user"):
                open_rag(open_folder / "other").add(FEW)
    finally:
        for path in [open_folder, index, *index.rglob("*")]:
            path.chmod(0o755)


@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_leftover_that_may_not_be_removed_is_in_nobodys_way(open_folder, mode):
    index = open_folder / "index"
    with open_rag(index) as rag:
        rag.add(FEW)
    left = index / "vectors" / f"{0:032}.npy"
    left.write_bytes(b"of a writer that was killed")
    for path in [index, *index.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    left.parent.chmod(mode)
    try:
        with without_rights(), Index(index).write() as writer:
            writer.mark_stale("no document", "no reason")
        left.parent.chmod(0o777)
        assert left.exists()
        with without_rights(), Index(index).write():
            assert not left.exists()
    finally:
        left.parent.chmod(0o777)


def test_an_index_that_may_not_be_read_says_so(open_folder):
    index = open_folder / "index"
    with open_rag(index) as rag:
        rag.add(FEW)
    closed = [index / "catalog.sqlite", *(index / "vectors").iterdir(), index / "bm25", index]
    for path in closed:
        mode = path.stat().st_mode
        path.chmod(0)
        try:
            with without_rights(), open_rag(index) as rag:
                if path.name == "bm25":
                    assert len(hits(rag)) == 3, "it is derived: searched without"
                else:
                    with pytest.raises(StoreError, match=r"can't be (read|opened)") as caught:
                        hits(rag)
                    assert not isinstance(caught.value, IndexNotFoundError)
        finally:
            path.chmod(mode)


def test_a_file_where_the_index_should_be_is_named(tmp_path):
    (tmp_path / "index").write_text("mine")
    with pytest.raises(StorageError, match="index' can't be written: File exists"):
        open_rag(tmp_path / "index").add(FEW)
    with pytest.raises(IndexNotFoundError, match="no index at"):
        hits(open_rag(tmp_path / "index"))

"""An index that came from somewhere else: nothing outside its folder is read, written or removed."""

import json
import os
import time

import pytest
from builders import make_document, put
from lateral.errors import IndexCorruptError
from lateral.retrievers.store import Index
from lateral.retrievers.store.derived import is_intact
from lateral.retrievers.store.segments import hash_file


@pytest.fixture
def index(tmp_path):
    """Holds three documents."""
    made = Index(tmp_path / "index")
    with made.write() as writer:
        put(writer, [make_document(f"doc-{number}", f"the text of document number {number}") for number in range(3)])
    return made


def test_only_files_of_the_index_are_leftovers(index, tmp_path):
    outside = tmp_path / "outside"
    cache = index.folder / "openvino"
    for folder in (outside, cache):
        (folder / ("0" * 32)).mkdir(parents=True)
    (index.folder / "linked").symlink_to(outside)
    (index.folder / "vectors" / ("1" * 32 + ".npy")).write_bytes(b"left by a killed writer")
    with index.write() as writer:
        writer._connection.execute("INSERT INTO retired VALUES (?, ?)", (f"linked/{'2' * 32}", time.time()))
    with index.write():
        pass
    assert (outside / ("0" * 32)).is_dir()
    assert (cache / ("0" * 32)).is_dir()
    assert not (index.folder / "vectors" / ("1" * 32 + ".npy")).exists()


@pytest.mark.parametrize("path", ["/etc/{}", "../{}", "bm25/../../{}", "bm25/sub/{}", "bm25/notes.txt", "{}"])
def test_a_catalog_that_names_places_outside_is_damaged(index, path):
    with index.write() as writer:
        writer._connection.execute("INSERT INTO retired VALUES (?, ?)", (path.format("0" * 32), time.time()))
    with pytest.raises(IndexCorruptError, match="is no place in an index"), index.write():
        pass


@pytest.mark.parametrize("name", ["catalog.seal", "catalog.seal.new", "writer.pid"])
def test_a_link_in_an_index_from_elsewhere_costs_no_file_of_the_user(index, tmp_path, name):
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    (index.folder / name).unlink(missing_ok=True)
    (index.folder / name).symlink_to(mine)
    with index.write() as writer:
        put(writer, [make_document("another", "words")])
    assert mine.read_text() == "precious"
    with index.read() as snapshot:
        assert snapshot.count("FROM documents") == 4


@pytest.mark.parametrize("place", ["/etc/{}", "../{}", "bm25/../../{}", "bm25"])
def test_a_derived_index_elsewhere_is_not_looked_at(index, place):
    with index.write() as writer:
        writer.publish("bm25", lambda folder: None)
        writer._connection.execute("UPDATE derived SET folder = ?", (place.format("0" * 32),))
    with pytest.raises(IndexCorruptError, match="is no place in an index"), index.read() as snapshot:
        snapshot.published("bm25")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo])
def test_a_derived_index_of_a_device_or_a_pipe_is_damaged_and_is_not_waited_for(index, make):
    with index.write() as writer:
        writer.publish("bm25", lambda folder: (folder / "file").write_text("words"))
    with index.read() as snapshot:
        folder, files = snapshot.published("bm25")
        assert is_intact(folder, files)
        (folder / "file").unlink()
        make(folder / "file")
        assert snapshot.derived("bm25") is None


def test_a_derived_index_that_names_a_file_elsewhere_is_damaged(index, tmp_path):
    (tmp_path / "mine.txt").write_text("words")
    with index.write() as writer:
        writer.publish("bm25", lambda folder: None)
        folder = writer.published("bm25")
    names = [str(tmp_path / "mine.txt"), "../../../mine.txt"]
    assert all((folder / name).read_text() == "words" for name in names)
    assert [is_intact(folder, json.dumps({name: hash_file(tmp_path / "mine.txt")})) for name in names] == [False, False]

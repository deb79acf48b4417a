"""Hashing the catalog must not cost SQLite its locks: another program would take the log away."""

import hashlib
import os
import sqlite3
import subprocess
import sys

from builders import make_document, put
from lateral.retrievers.store import Index
from lateral.retrievers.store.held_file import hash_held
from lateral.retrievers.store.schema import CATALOG
from lateral.retrievers.store.verify import find_problems

LOOK = (
    "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM documents').fetchone()[0])"
)


def look(index):
    """Another program looks into the catalog and closes it again, as its last user if nobody holds a lock."""
    command = [sys.executable, "-c", LOOK, str(index.folder / CATALOG)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


def documents(index):
    with index.read() as snapshot:
        return len(snapshot.documents())


def test_commits_after_another_programs_look_are_in_the_index(tmp_path):
    index = Index(tmp_path / "index")
    with index.write() as writer:
        put(writer, [make_document("first", "sealed when the writer ends")])
    with index.write() as writer:  # it hashes the catalog
        put(writer, [make_document("second", "before the look")])
        assert look(index) == 2
        put(writer, [make_document("third", "after the look")])
        assert look(index) == 3
    assert documents(Index(index.folder)) == 3


def test_a_reader_that_checks_the_seal_sees_what_is_committed_later(tmp_path):
    index = Index(tmp_path / "index")
    with index.write() as writer:
        put(writer, [make_document("first", "one")])
    with index.read() as snapshot:
        assert find_problems(snapshot, lambda _: []) == []  # it hashes the catalog
    assert look(index) == 1
    with Index(index.folder).write() as writer:
        put(writer, [make_document("second", "two")])
        assert documents(index) == 2


def test_no_descriptor_is_opened_where_one_is_held(tmp_path):
    path = tmp_path / "held.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE numbers (number)")
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    opened = []
    sys.addaudithook(lambda event, arguments: opened.append(arguments[0]) if event == "open" else None)
    assert hash_held(path) == expected
    assert os.fspath(path) not in map(str, opened)
    connection.close()
    assert hash_held(path) == expected
    assert os.fspath(path) in map(str, opened)

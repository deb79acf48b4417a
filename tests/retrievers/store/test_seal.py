"""What the seal tells of commits that went with the log of a writer that was killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders import make_document, put
from lateral.retrievers.store import Index
from lateral.retrievers.store.schema import CATALOG
from lateral.retrievers.store.verify import find_problems

KILLED = """
import os, sys
sys.path.insert(0, sys.argv[2])
from builders import make_document, put
from lateral.retrievers.store import Index

with Index(sys.argv[1]).write() as writer:
    for source in ("second", "third"):
        put(writer, [make_document(source, f"the {source} document")])
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def index(tmp_path):
    """One document is sealed; two more are committed by a writer that is killed."""
    index = Index(tmp_path / "index")
    with index.write() as writer:
        put(writer, [make_document("first", "the first document")])
    tests = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", KILLED, str(index.folder), str(tests)], check=False, timeout=60)
    assert ended.returncode == -9
    return index


def looked_at(index):
    with Index(index.folder).read() as snapshot:
        sources = [document.source for document in snapshot.documents()]
        return sources, [problem.reason for problem in find_problems(snapshot, lambda _: [])]


def test_what_a_killed_writer_has_committed_is_there(index):
    assert looked_at(index) == (["first", "second", "third"], [])


def test_commits_that_are_lost_with_the_whole_log_are_named_and_told_to_the_next_writer(index, caplog):
    os.truncate(index.folder / f"{CATALOG}-wal", 0)
    lost = "it has lost its last commits with its log: add the documents again"
    assert looked_at(index) == (["first"], [lost])
    with index.write() as writer:
        put(writer, [make_document("other", "another document")])
    assert [record.getMessage() for record in caplog.records] == [
        f"'{index.folder / CATALOG}' has lost its last commits with its log: add the documents again"
    ]
    assert looked_at(index) == (["first", "other"], [])

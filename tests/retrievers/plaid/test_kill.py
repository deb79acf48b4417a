"""kill -9 while PLAID is built: nothing acknowledged is lost, and the next open needs no help."""

import subprocess
import sys
import time
from pathlib import Path

import plaid_writer
import pytest
from plaid_passages import COUNT, QUERIES, exact, found_by_plaid, hits, open_rag
from version_writer import last_committed

WRITER = Path(plaid_writer.__file__)
DELAYS = (0.0, 3.0, 6.0)  # seconds into a build: while it imports, clusters, writes and is tried


def unfinished(index):
    """The generations that are being built: their manifest is written at the end."""
    folder = index / "plaid"
    made = folder.iterdir() if folder.is_dir() else ()
    return {it for it in made if not (it / "manifest.json").exists()}


def kill_inside_build(index, checkpoint, version, delay):
    """Runs a writer until it builds PLAID, kills it, and returns the last version that it said is committed."""
    left = unfinished(index)
    command = [sys.executable, str(WRITER), str(index), str(checkpoint), str(version)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 200
    while not unfinished(index) - left:
        assert writer.poll() is None, "the writer ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(delay)
    writer.kill()  # alone: what it started has to end with it
    return last_committed(writer.communicate()[0])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_build_that_is_killed_loses_nothing(rag, encoder, checkpoint):
    index = rag.index.folder
    for cycle, delay in enumerate(DELAYS):
        version = kill_inside_build(index, checkpoint, 10 * cycle, delay)
        fresh = open_rag(index, encoder)
        with fresh.index.read() as snapshot:
            assert len(snapshot.chunk_ids()) == COUNT
            versions = {int(node.text.rsplit(" ", 1)[1]) for node in snapshot.chunks()}
        assert min(versions) >= version
        for query in QUERIES[:2]:
            assert hits(fresh, query) == exact(fresh, query)
            assert all(f"version {max(versions)}" in hit.node.text for hit in fresh.retrieve(query))
        assert {problem.cure for problem in fresh.verify().problems} <= {"refresh"}
    fresh.add({"id": "last", "text": "one more document after all the kills"})
    assert fresh.verify().problems == ()
    assert found_by_plaid(fresh, QUERIES[0]) is not None
    assert unfinished(index) == set(), "what the killed left behind is gone"
    assert hits(fresh, "one more document", 1)[0][0] == "last"

"""kill -9 while a candidate stage is built: nothing acknowledged is lost, and the next open needs no help."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import candidates_writer
import pytest
from candidates_writer import DOCUMENTS, SOURCES, open_rag, text_of
from version_writer import last_committed

KILLS = 20
INSIDE_AT_LEAST = 8
WRITER = Path(candidates_writer.__file__)


def generations(index):
    """Every folder that a candidate stage stands in, or is built in."""
    folder = index / "colbert-candidates"
    return set(folder.iterdir()) if folder.is_dir() else set()


def named(index):
    """The one that the catalog names."""
    with open_rag(index) as rag, rag.index.read() as snapshot:
        return {index / row[0] for row in snapshot.rows("SELECT folder FROM derived")}


def kill_inside_build(index, version, chance):
    """Runs a writer until it builds, kills it, and returns the last version committed and whether it was building."""
    before = generations(index)
    command = [sys.executable, str(WRITER), str(index), str(version)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not generations(index) - before:
        assert writer.poll() is None, "the writer ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.03))
    os.kill(writer.pid, signal.SIGSTOP)  # frozen, so that what is seen is what the kill meets
    made = generations(index) - before
    writer.kill()
    told = writer.communicate()[0]
    return last_committed(told), len(made - named(index)) == 1


def check(index, version):
    """Every document is there in the version that was acknowledged, or a later one, and is found with its score."""
    with open_rag(index) as rag:
        with rag.index.read() as snapshot:
            assert len(snapshot.chunk_ids()) == DOCUMENTS
            newest = {node.source: node.text for node in snapshot.chunks()}
        versions = {int(text.split()[1].removeprefix("v")) for text in newest.values()}
        assert min(versions) >= version
        assert newest == {source: text_of(source, max(versions)) for source in newest}
        for source in ("doc-0", "doc-777"):
            (hit,) = rag.retrieve(newest[source], 1)
            assert (hit.node.source, hit.score) == (source, pytest.approx(1, abs=1e-3))
        assert {problem.cure for problem in rag.verify().problems} <= {"refresh"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_inside_the_building_of_candidates_lose_nothing(tmp_path):
    index, chance = tmp_path / "index", random.Random(7)
    with open_rag(index) as rag:  # so that kills meet an older stage as well as an unfinished one
        rag.add([{"id": source, "text": text_of(source, 0)} for source in SOURCES])
        assert rag.status().vectors["colbert"].candidates.is_usable
    inside = 0
    for cycle in range(KILLS):
        version, was_inside = kill_inside_build(index, 1 + cycle * 1_000, chance)
        inside += was_inside
        check(index, version)
    assert inside >= INSIDE_AT_LEAST, f"only {inside} of {KILLS} kills met an unfinished stage"
    with open_rag(index) as rag:
        rag.add({"id": "last", "text": "one more document after all the kills"})
        assert rag.verify().problems == ()
        assert rag.status().vectors["colbert"].candidates.is_usable
        assert "colbert-candidates" in rag.status().derived
        assert rag.retrieve("one more document after all the kills", 1)[0].node.source == "last"
        rag.remove("last")  # a writer looks for what the killed left where something was published before
        with rag.index.read() as snapshot:
            kept = snapshot.rows("SELECT folder FROM derived UNION SELECT path FROM retired")
        assert generations(index) <= {index / place for (place,) in kept}, "what the killed left behind is gone"

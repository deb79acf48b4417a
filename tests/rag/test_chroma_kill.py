"""kill -9 inside Chroma's writes: nothing acknowledged is lost, and the next open needs no help."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import chroma_writer
import pytest
from chroma_writer import DOCUMENTS, documents_of, open_rag, text_of
from version_writer import last_committed

KILLS = 50
INSIDE_AT_LEAST = 35
WRITER = Path(chroma_writer.__file__)


def generations(index):
    """Every folder that a store stands in, or is written in."""
    folder = index / "chroma"
    made = folder.iterdir() if folder.is_dir() else ()
    return [it for it in made if (it / "store" / "chroma.sqlite3").exists()]


def unfinished(index):
    """The stores that are being written: their generation has no manifest yet, which is written last."""
    return [it / "store" for it in generations(index) if not (it / "manifest.json").exists()]


def children(pid):
    return [int(it) for it in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill_inside_refresh(index, version, whom, chance):
    """Runs a writer until Chroma writes for it, kills it or its Chroma, and returns the last version committed."""
    left = set(unfinished(index))
    command = [sys.executable, str(WRITER), str(index), str(version)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (mine := set(unfinished(index)) - left):
        assert writer.poll() is None, "the writer ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.25))
    os.killpg(writer.pid, signal.SIGSTOP)  # frozen, so that what is seen is what the kill meets
    inside, told = bool(mine & set(unfinished(index))), b""
    if whom == "both":
        os.killpg(writer.pid, signal.SIGKILL)
    elif whom == "writer":
        writer.kill()
        os.killpg(writer.pid, signal.SIGCONT)
    else:
        for child in children(writer.pid):
            os.kill(child, signal.SIGKILL)
        os.killpg(writer.pid, signal.SIGCONT)
        told = writer.stdout.readline() + writer.stdout.readline()  # it goes on without Chroma
        os.killpg(writer.pid, signal.SIGKILL)
    return last_committed(told + writer.communicate()[0]), inside


def check(index, version):
    """Every document is there in the version that was acknowledged, or a later one, and is found."""
    with open_rag(index) as rag:
        with rag.index.read() as snapshot:
            assert len(snapshot.chunk_ids()) == DOCUMENTS
            versions = set()
            for node in snapshot.chunks():
                found = int(node.text.split()[1].removeprefix("v"))
                assert node.text == text_of(node.source, found)
                versions.add(found)
        assert min(versions) >= version
        query = text_of("doc-7", max(versions))
        assert rag.retrieve(query, 1)[0].score == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_50_kills_inside_chroma_lose_nothing(tmp_path):
    index, chance = tmp_path / "index", random.Random(7)
    with open_rag(index) as rag:  # a writer looks for what the killed left where something was published before
        rag.add(documents_of(0))
        assert generations(index)
    inside = 0
    for cycle in range(KILLS):
        version, was_inside = kill_inside_refresh(
            index, 1 + cycle * 1_000, ("both", "writer", "chroma")[cycle % 3], chance
        )
        inside += was_inside
        check(index, version)
    assert inside >= INSIDE_AT_LEAST, f"only {inside} of {KILLS} kills met an unfinished store"
    with open_rag(index) as rag:
        assert {problem.cure for problem in rag.verify().problems} <= {"refresh"}
        rag.add({"id": "last", "text": "one more document after all the kills"})
        assert rag.verify().problems == ()
        assert unfinished(index) == [], "what the killed left behind is gone"
        assert rag.retrieve("one more document", 1)[0].node.source == "last"

"""kill -9 at any moment: nothing acknowledged is lost, nothing is half there, the next open needs no help."""

import fcntl
import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import crashing_writer
import numpy as np
import pytest
from crashing_writer import open_rag, text_of
from lateral.loaders.chunking import Chunker, to_nodes
from lateral.loaders.indexed_text import indexed_text
from lateral.loaders.load import document_from_text
from lateral.retrievers.hash_embedder import HashEmbedder

KILLS = {"auto": 100, "chroma": 5, "server": 15}  # test_chroma_kill.py kills 50 more, inside what Chroma writes
INSIDE_SHARE = 0.3
WAL_WRITE_LOCK = 120
EMBEDDER = HashEmbedder(16)
WRITER = Path(crashing_writer.__file__)


def transaction_is_open(index):
    """Whether some process holds SQLite's write lock: byte 120 of the log's shared memory, see sqlite.org/walformat."""
    with (index / "catalog.sqlite-shm").open("rb") as shared:
        asked = struct.pack("@hhqqi", fcntl.F_WRLCK, 0, WAL_WRITE_LOCK, 1, 0)
        kind = struct.unpack("@hhqqi", fcntl.fcntl(shared, fcntl.F_GETLK, asked))[0]
    return kind != fcntl.F_UNLCK


def kill_one_writer(index, cycle, store, chance):
    """Runs a writer past its first acknowledgement, kills it, returns what it acknowledged and what it was doing."""
    writer = subprocess.Popen([sys.executable, str(WRITER), str(index), str(cycle), store], stdout=subprocess.PIPE)
    first = writer.stdout.readline()
    assert first, "the writer ended before it acknowledged anything"
    time.sleep(chance.uniform(0, 0.15))
    deadline = time.monotonic() + 10
    wants_transaction = chance.random() < 0.6
    while True:
        writer.send_signal(signal.SIGSTOP)  # frozen, so that what is seen is what the kill meets
        os.waitpid(writer.pid, os.WUNTRACED)
        inside = (index / "catalog.sqlite-shm").exists() and transaction_is_open(index)
        if inside or not wants_transaction or time.monotonic() > deadline:
            break
        writer.send_signal(signal.SIGCONT)
        time.sleep(chance.uniform(0, 0.002))
    writer.kill()
    rest = writer.communicate()[0]
    acknowledged = [line.split() for line in (first + rest).decode().splitlines()]
    return {source: int(version) for source, version in acknowledged}, inside


def nodes_of(source, version):
    document = document_from_text(source, text_of(source, version), {})
    return to_nodes(document, Chunker(EMBEDDER.count_tokens, 40, 8))


def check(index, acknowledged):
    """Everything acknowledged is there, in that version or a later one, and whatever is there is whole."""
    rag = open_rag(index)
    with rag.index.read() as snapshot:
        found = {}
        for document in snapshot.documents():
            nodes = snapshot.document_nodes(document.id)
            version = int(nodes[0].text.split()[1].removeprefix("v"))
            expected = nodes_of(document.source, version)
            assert [(node.id, node.text) for node in nodes] == [(node.id, node.text) for node in expected]
            found[document.source] = version
        for source, version in acknowledged.items():
            assert found.get(source, -1) >= version, f"{source} was acknowledged at {version}"
        check_vectors(snapshot)
    source, version = next(iter(acknowledged.items()))
    assert rag.retrieve(f"{source} s7", 5), "it answers"
    rag.close()


def check_vectors(snapshot):
    matrix = np.full((len(snapshot.chunk_ids()), 16), np.nan, np.float32)
    for segment in snapshot.vectors(EMBEDDER.space):
        matrix[segment.positions] = segment.vectors.decode(segment.rows)
    expected = EMBEDDER.encode_documents([indexed_text(node) for node in snapshot.chunks()])
    np.testing.assert_array_equal(matrix, expected)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("store", "kills"), KILLS.items(), indirect=["store"])
def test_kills_lose_nothing_acknowledged(tmp_path, store, kills):
    index = tmp_path / "index"
    chance = random.Random(7)
    acknowledged, inside = {}, 0
    for cycle in range(kills):
        new, was_inside = kill_one_writer(index, cycle, store, chance)
        acknowledged |= new
        inside += was_inside
        check(index, acknowledged)
    assert inside >= INSIDE_SHARE * kills, f"only {inside} of {kills} kills were inside an open transaction"
    with open_rag(index) as rag:
        assert {problem.cure for problem in rag.verify().problems} <= {"refresh"}
        rag.add([{"id": "last", "text": "one more document after all the kills"}])
        assert rag.verify().problems == ()

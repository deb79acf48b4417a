import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from builders import counts
from lateral import RAG, BiEncoderRetriever
from lateral.errors import (
    IndexLockedError,
    IndexNotFoundError,
)
from lateral.retrievers import HashEmbedder


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

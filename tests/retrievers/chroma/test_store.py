"""Chroma as a derived index: checked before use, never trusted, of no harm to who reads."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from lateral.errors import InvalidArgumentError
from lateral.retrievers.bi_encoder import BiEncoderRetriever
from lateral.retrievers.chroma.process import build_folder
from lateral.retrievers.chroma.store import ChromaSearch
from lateral.retrievers.exact import ExactSearch
from lateral.retrievers.hash_embedder import HashEmbedder
from lateral.retrievers.registry import open_retriever
from stores import (
    QUERIES,
    GaussEmbedder,
    documents,
    exact,
    found_by_chroma,
    generation_folder,
    hits,
    open_rag,
    pass_for_intact,
)

COUNT = 300
TESTS = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "index"
    open_rag(folder, "chroma").add(documents(range(COUNT)))
    return folder


@pytest.fixture
def rag(tmp_path, made):
    """An index with an embedded store, that the test may change."""
    shutil.copytree(made, tmp_path / "index")
    return open_rag(tmp_path / "index", "chroma")


def test_repair_builds_a_damaged_store_anew_and_a_reader_that_is_open_uses_it(rag, caplog):
    (path,) = generation_folder(rag).glob("store/*/data_level0.bin")
    path.write_bytes(path.read_bytes()[:1_000])
    assert found_by_chroma(rag, QUERIES[0]) is None
    assert "is damaged and not used" in caplog.text
    assert open_rag(rag.index.folder, "chroma").verify(repair=True).remaining == ()
    assert found_by_chroma(rag, QUERIES[0]) is not None
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])


def scramble(rag, name):
    (path,) = generation_folder(rag).glob(f"store/*/{name}")
    path.write_bytes(np.random.default_rng(1).bytes(path.stat().st_size))


def take_one_out(rag):
    """Puts a sound store of one vector less in the store's place."""
    store, less = generation_folder(rag) / "store", rag.index.folder.parent / "less"
    build_folder(less, [], adding=0, base=store, gone=[exact(rag, QUERIES[0], 1)[0][0]])
    shutil.rmtree(store)
    less.rename(store)


@pytest.mark.parametrize(
    "name", ["data_level0.bin", "link_lists.bin", "header.bin", "index_metadata.pickle", "length.bin"]
)
def test_a_store_that_breaks_who_opens_it_breaks_a_child_only(rag, tmp_path, caplog, monkeypatch, name):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    scramble(rag, name)
    pass_for_intact(rag)
    for query in QUERIES:
        assert hits(rag, query) == exact(rag, query)
    if found_by_chroma(rag, QUERIES[0]) is None:
        assert caplog.text.count("search is exact, Chroma can't be used") == 1
        assert list(temporary.iterdir()) == [], "the child that ended has left nothing behind"


def test_a_store_that_names_an_embedding_function_is_refused_unopened(rag, caplog):
    catalog = generation_folder(rag) / "store" / "chroma.sqlite3"
    with closing(sqlite3.connect(catalog)) as connection, connection:
        (schema,) = connection.execute("SELECT schema_str FROM collections").fetchone()
        known = (
            '"embedding_function":{"type":"known","name":"sentence_transformer","config":{"trust_remote_code":true}}'
        )
        doctored = schema.replace('"embedding_function":{"type":"legacy"}', known)
        assert doctored != schema
        connection.execute("UPDATE collections SET schema_str = ?", (doctored,))
    pass_for_intact(rag)
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    assert "names an embedding function (known)" in caplog.text


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (take_one_out, "it holds 299 vectors in place of 300"),
        (lambda rag: scramble(rag, "data_level0.bin"), "chroma can't be searched"),
    ],
)
def test_a_store_whose_bytes_fit_and_whose_check_fails_is_named_and_the_next_write_builds_it_anew(rag, harm, reason):
    harm(rag)
    pass_for_intact(rag)
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    assert found_by_chroma(rag, QUERIES[0]) is None
    refused = generation_folder(rag)
    (problem,) = open_rag(rag.index.folder).verify().problems
    assert (problem.file, problem.cure) == (f"chroma/{refused.name}", "refresh")
    assert reason in problem.reason
    rag.add(documents([COUNT]))
    assert generation_folder(rag) != refused
    assert found_by_chroma(rag, QUERIES[0]) is not None, "who refused it looks at the new one"
    assert open_rag(rag.index.folder).verify().problems == ()


def test_verify_names_what_is_not_built_or_has_other_vectors_and_repair_builds_it(rag):
    with rag.index.write() as writer:
        writer.unpublish("chroma")
    report = rag.verify(repair=True)
    assert [(it.file, it.cure) for it in report.problems] == [("chroma", "refresh")]
    assert "nothing is built there yet" in report.problems[0].reason
    assert report.remaining == ()
    take_one_out(rag)
    pass_for_intact(rag)
    fresh = open_rag(rag.index.folder)
    assert fresh.verify(repair=True).remaining == ()
    assert found_by_chroma(fresh, QUERIES[0]) is not None


def test_a_process_checks_a_store_once_and_small_changes_start_no_other(rag):
    def seconds_of_children():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    rag.add(documents([COUNT]))
    before = seconds_of_children()
    rag.add(documents([COUNT + 1]))
    assert found_by_chroma(rag, QUERIES[0]) is not None
    assert seconds_of_children() == before


def test_reading_changes_nothing_in_the_index_and_leaves_no_files_behind(rag, tmp_path):
    folder, temporary = rag.index.folder / "chroma", tmp_path / "temporary"
    temporary.mkdir()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code = (
        "import sys\nsys.path.insert(0, sys.argv[2])\nfrom stores import *\n"
        "assert found_by_chroma(open_rag(sys.argv[1], 'chroma'), QUERIES[0]) is not None\n"
    )
    command = [sys.executable, "-c", code, str(rag.index.folder), str(TESTS)]
    subprocess.run(command, env={**os.environ, "TMPDIR": str(temporary)}, check=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert list(temporary.iterdir()) == []


def test_what_a_reader_leaves_that_is_ended_goes_when_the_next_one_opens_the_store(rag, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    code = (
        "import os, signal, sys\nsys.path.insert(0, sys.argv[2])\nfrom stores import *\n"
        "rag = open_rag(sys.argv[1], 'chroma')\nassert found_by_chroma(rag, QUERIES[0]) is not None\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    command = [sys.executable, "-c", code, str(rag.index.folder), str(TESTS)]
    assert subprocess.run(command, env={**os.environ, "TMPDIR": str(temporary)}).returncode == -signal.SIGTERM
    (left,) = temporary.iterdir()
    os.utime(left, (0, 0))  # it is not new any more
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert found_by_chroma(rag, QUERIES[0]) is not None
    assert not left.exists()


def test_a_forked_reader_asks_for_itself(rag):
    expected = hits(rag, QUERIES[0])
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(hits(rag, QUERIES[0]) != expected or found_by_chroma(rag, QUERIES[1]) is None)
    assert os.waitpid(child, 0)[1] == 0
    assert hits(rag, QUERIES[0]) == expected


def test_threads_share_a_store_while_a_writer_swaps_it(rag):
    wrong, ended = [], threading.Event()
    reader = open_rag(rag.index.folder, "chroma")

    def read():
        while not ended.is_set():
            for query in QUERIES:
                with reader.index.read():  # one view for both
                    if hits(reader, query) != exact(reader, query):
                        wrong.append(query)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    first = generation_folder(rag)
    rag.add(documents(range(1_000, 2_100)))
    ended.set()
    for thread in threads:
        thread.join()
    assert generation_folder(rag) != first
    assert wrong == []


def test_auto_is_exact_up_to_its_limit_and_opens_chroma_behind_the_searches(rag):
    space, query = GaussEmbedder(16).space, GaussEmbedder(16).encode_queries(QUERIES)[0]
    with rag.index.read() as snapshot:
        exactly = ExactSearch(snapshot.vectors(space), 300)
        assert ChromaSearch("auto", exact_up_to=300, opens_after=0).search(snapshot, exactly, query, 10) is None
        search = ChromaSearch("auto", exact_up_to=299, opens_after=3)
        assert [search.search(snapshot, exactly, query, 10) for _ in range(3)] == [None] * 3
        deadline = time.monotonic() + 60
        while (found := search.search(snapshot, exactly, query, 10)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for left, right in zip(found, exactly.search(query, 10), strict=True):
            np.testing.assert_array_equal(left, right)


def test_auto_builds_above_its_limit_and_keeps_what_it_has_around_it(tmp_path):
    rag = open_rag(tmp_path / "index", "auto")
    rag.add(documents(range(300)))
    search, space = ChromaSearch("auto", exact_up_to=200), GaussEmbedder(16).space

    def published_after_refresh():
        with rag.index.write() as writer:
            with rag.index.read() as snapshot:
                search.refresh(writer, snapshot, space)
            return writer.published("chroma")

    first = published_after_refresh()
    assert first is not None
    rag.remove([f"doc-{at}" for at in range(150)])
    with rag.index.write() as writer:
        assert writer.published("chroma") is None, "the default limit has taken it out of use"
    assert published_after_refresh() is None, "150 are not above the limit"


def test_the_catalog_remembers_the_store_and_the_next_write_that_names_another_moves_it(tmp_path):
    index = tmp_path / "index"
    open_rag(index).add(documents(range(50)))
    status = open_rag(index).status()
    assert (status.retrievers["bi-encoder"], status.derived) == ({"model": "gauss-16"}, ())
    assert open_rag(index, "chroma").add([]).unchanged == 0
    status = open_rag(index).status()
    assert (status.retrievers["bi-encoder"]["store"], status.derived) == ("chroma", ("chroma",))
    assert found_by_chroma(open_rag(index), QUERIES[0], 3) is not None, "as the index was made"
    open_rag(index, "auto").add([])
    status = open_rag(index).status()
    assert (status.retrievers["bi-encoder"]["store"], status.derived) == ("auto", ())


def test_exact_search_loads_no_chromadb(tmp_path):
    code = (
        "import sys\nfrom lateral import RAG, BiEncoderRetriever\nfrom lateral.retrievers import HashEmbedder\n"
        "rag = RAG(sys.argv[1], retrievers=(BiEncoderRetriever(encoder=HashEmbedder(16), store=sys.argv[2]),))\n"
        "rag.add([{'id': 'a', 'text': 'some words'}])\n"
        "assert rag.remove('a') and rag.add([{'id': 'b', 'text': 'more words'}])\n"
        "if sys.argv[2] == 'auto': assert rag.retrieve('words')\n"
        "print('chromadb' in sys.modules)"
    )
    for store in ("auto", "chroma"):  # who writes leaves Chroma to a child
        command = [sys.executable, "-c", code, str(tmp_path / store), store]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(
    "store",
    [
        "",
        "Chroma",
        "faiss",
        3,
        "chroma://",
        "chroma://host",
        "chroma://host:0",
        "chroma://h:99999",
        "chroma://a/b:1",
    ],
)
def test_a_wrong_store_is_named(store):
    with pytest.raises(InvalidArgumentError, match=r"chroma://host:port"):
        BiEncoderRetriever(encoder=HashEmbedder(16), store=store)


def test_chroma_is_a_store_and_no_retriever():
    with pytest.raises(InvalidArgumentError, match="no retriever named 'chroma'"):
        open_retriever("chroma")

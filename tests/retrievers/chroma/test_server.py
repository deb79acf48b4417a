"""A Chroma server, real and false: what it can't do, exact search does."""

import json
import socket
import time
from contextlib import ExitStack

import pytest
from chroma_servers import answering, dripping, free_port, running
from lateral.retrievers.chroma.collection import ChromaFailed
from lateral.retrievers.chroma.server import COLLECTIONS, ChromaServer
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


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("server")) as address:
        yield address


def collection_of(rag):
    return json.loads((generation_folder(rag) / "manifest.json").read_text())["collection"]


def problems(report):
    return [(it.file, it.cure) for it in report.problems], [(it.file, it.cure) for it in report.remaining]


def test_a_server_that_cannot_be_reached_costs_no_document_and_no_search_and_verify_says_so(tmp_path, caplog):
    port = free_port()
    rag = open_rag(tmp_path / "index", f"chroma://127.0.0.1:{port}")
    assert rag.add(documents(range(200))).added == 200
    assert "could not be brought up to date" in caplog.text
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    assert problems(rag.verify(repair=True)) == ([("chroma", "start")],) * 2
    with running(tmp_path / "server", port):
        assert problems(rag.verify()) == ([("chroma", "refresh")],) * 2, "it is empty"
        rag.add(documents(range(3), "new"))
        assert found_by_chroma(rag, QUERIES[0]) is not None
        assert problems(rag.verify()) == ([], [])
    caplog.clear()
    for query in QUERIES:
        assert hits(rag, query) == exact(rag, query)
    assert caplog.text.count("search is exact, Chroma can't be used") == 1, "said once, and left alone for a while"
    made = generation_folder(rag)
    report = rag.verify(repair=True)
    assert problems(report) == ([(f"chroma/{made.name}", "start")],) * 2
    assert "search is exact until a Chroma server answers there" in report.problems[0].reason
    with running(tmp_path / "server", port):
        assert problems(rag.verify()) == ([], []), "nothing was damaged, and nothing rebuilt"


def test_a_server_that_lost_the_collection_gets_it_again(tmp_path, server, caplog):
    rag = open_rag(tmp_path / "index", server)
    rag.add(documents(range(200)))
    ChromaServer(server).delete(collection_of(rag))
    fresh = open_rag(tmp_path / "index", server)
    assert hits(fresh, QUERIES[0]) == exact(fresh, QUERIES[0])
    assert "does not exist" in caplog.text
    (problem,) = fresh.verify().problems
    assert problem.cure == "refresh"
    assert "does not exist" in problem.reason
    fresh.add(documents(range(3), "new"))
    assert found_by_chroma(fresh, QUERIES[0]) is not None
    ChromaServer(server).delete(collection_of(fresh))
    assert fresh.verify(repair=True).remaining == ()
    assert found_by_chroma(open_rag(tmp_path / "index"), QUERIES[0]) is not None


def test_a_collection_that_lost_an_id_to_another_is_found_by_verify_and_replaced_by_repair(tmp_path, server):
    rag = open_rag(tmp_path / "index", server)
    rag.add(documents(range(200)))
    chroma, name = ChromaServer(server), collection_of(rag)
    collection, lost = chroma.find(name), exact(rag, QUERIES[0], 1)[0][0]
    identity = chroma.call("GET", f"{COLLECTIONS}/{name}")["id"]
    chroma.call("POST", f"{COLLECTIONS}/{identity}/delete", {"ids": [lost]})
    collection.add(["of somebody else"], GaussEmbedder(16).encode_documents(["words"]))
    assert len(collection.ids(200, page=70)) == len(set(collection.ids(200))) == collection.count() == 200
    report = rag.verify(repair=True)
    assert [problem.cure for problem in report.problems] == ["refresh"]
    assert "its collection lacks 1 of the 200 ids" in report.problems[0].reason
    assert report.remaining == ()
    assert chroma.names(name[:50]) == [collection_of(rag)] != [name]
    assert found_by_chroma(rag, QUERIES[0]) is not None


def test_a_collection_with_other_vectors_under_our_ids_is_not_used_and_replaced(tmp_path, server, caplog):
    rag = open_rag(tmp_path / "index", server)
    rag.add(documents(range(200)))
    chroma, name = ChromaServer(server), collection_of(rag)
    ids = [it[0] for it in exact(rag, QUERIES[0], 200)]
    chroma.delete(name)
    chroma.create(name).add(ids, GaussEmbedder(16).encode_documents([f"foreign {it}" for it in ids]))
    fresh = open_rag(tmp_path / "index", server)
    assert hits(fresh, QUERIES[0]) == exact(fresh, QUERIES[0])
    assert found_by_chroma(fresh, QUERIES[0]) is None
    assert "does not find the vectors that it should hold" in caplog.text
    fresh.add(documents(range(3), "new"))
    assert collection_of(fresh) != name
    assert found_by_chroma(fresh, QUERIES[0]) is not None


def test_a_server_holds_one_collection_of_an_index_and_no_text(tmp_path, server):
    rag = open_rag(tmp_path / "index", server)
    for version in ("", "new"):
        rag.add(documents(range(1_100), version))
    chroma = ChromaServer(server)
    name = collection_of(rag)
    assert chroma.names(name[:50]) == [name]
    asked = {"include": ["documents", "metadatas"], "limit": 3}
    identity = chroma.call("GET", f"{COLLECTIONS}/{name}")["id"]
    held = chroma.call("POST", f"{COLLECTIONS}/{identity}/get", asked)
    assert held["documents"] in (None, [None] * 3)
    assert held["metadatas"] in (None, [None] * 3)


@pytest.mark.parametrize("leave", [lambda rag, index: rag.remove(["doc-0", "doc-1"]), lambda rag, index: index("auto")])
def test_a_server_that_is_left_or_has_nothing_to_hold_keeps_no_collection(tmp_path, server, leave):
    rag = open_rag(tmp_path / "index", server)
    rag.add(documents(range(2)))
    name = collection_of(rag)
    assert ChromaServer(server).names(name) == [name]
    leave(rag, lambda store: open_rag(tmp_path / "index", store).add([]))
    assert ChromaServer(server).names(name) == []


@pytest.mark.parametrize("leave", [lambda move: move("chroma"), lambda move: move("auto")])
def test_an_index_that_notes_a_collection_of_somebody_else_costs_it_nothing(tmp_path, server, leave):
    rag = open_rag(tmp_path / "index", server)
    rag.add(documents(range(2)))
    ChromaServer(server).create(f"precious-{tmp_path.name}")
    path = generation_folder(rag) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "collection": f"precious-{tmp_path.name}"}))
    pass_for_intact(rag)
    leave(lambda store: open_rag(tmp_path / "index", store).add([]))
    assert open_rag(tmp_path / "index").status().derived in (("chroma",), ()), "it has moved"
    assert ChromaServer(server).names(f"precious-{tmp_path.name}") != []


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"no JSON"), (200, b"[]"), (200, b'{"ids": 3}'), (200, b""), (500, b"broken"), (200, b"null")],
)
def test_a_server_that_answers_nonsense_is_left_alone(tmp_path, status, body, caplog):
    with answering(status, body) as address:
        rag = open_rag(tmp_path / "index", address)
        rag.add(documents(range(50)))
        assert "could not be brought up to date" in caplog.text
        assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])


def test_a_server_that_turns_slow_delays_one_search_only(tmp_path, tmp_path_factory, caplog):
    port = free_port()
    rag = open_rag(tmp_path / "index", f"chroma://127.0.0.1:{port}")
    with running(tmp_path / "server", port):
        rag.add(documents(range(200)))
    with socket.create_server(("127.0.0.1", port)):  # takes connections, and never answers
        start = time.monotonic()
        for query in QUERIES:
            assert hits(rag, query) == exact(rag, query)
        assert 2.5 < time.monotonic() - start < 8


def test_a_server_that_is_killed_while_it_is_written_to_costs_no_document(tmp_path):
    port = free_port()
    address = f"chroma://127.0.0.1:{port}"
    rag = open_rag(tmp_path / "index", address)
    with ExitStack() as stack:
        stack.enter_context(running(tmp_path / "server", port))

        def kill_inside(progress):
            if progress.building == "chroma 1,000/1,500":
                stack.close()

        assert rag.add(documents(range(1_500)), on_progress=kill_inside).added == 1_500
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    with running(tmp_path / "server", port):
        assert rag.verify(repair=True).remaining == ()
        assert found_by_chroma(rag, QUERIES[0]) is not None
        assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
        assert len(ChromaServer(address).names("lateral-")) == 1, "what the killed one kept of the first try is gone"


def test_a_server_that_drips_is_cut_off_at_the_deadline():
    with dripping() as address:
        start = time.monotonic()
        with pytest.raises(ChromaFailed, match="can't be asked"):
            ChromaServer(address).call("GET", "/", seconds=0.5)
        assert 0.4 < time.monotonic() - start < 2

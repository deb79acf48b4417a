"""Every behaviour of dense search through the pipeline, on every store."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from lateral import RAG, load
from lateral.retrievers.hash_embedder import HashEmbedder
from stores import QUERIES, GaussEmbedder, documents, exact, found_by_chroma, generation_folder, hits, open_rag

COUNT = 1_500  # enough that Chroma does not name all it holds, and that more can change than is searched beside it
SAMPLES = Path(__file__).parents[2] / "notebooks" / "samples"


@pytest.fixture(scope="module", params=["auto", "chroma", "server"])
def store(request):
    return request.getfixturevalue("chroma_server") if request.param == "server" else request.param


@pytest.fixture(scope="module")
def made(tmp_path_factory, store):
    """An index that no test changes, and what its making told of what was built."""
    rag, told = open_rag(tmp_path_factory.mktemp("read-only") / "index", store), []
    rag.add(documents(range(COUNT)), on_progress=lambda it: told.append(it.building))
    return rag, [it for it in told if it]


@pytest.fixture(scope="module")
def read_only(made):
    return made[0]


@pytest.fixture
def rag(tmp_path, read_only, store):
    """A copy of it that a test may change."""
    shutil.copytree(read_only.index.folder, tmp_path / "index")
    return open_rag(tmp_path / "index", store)


def by_chroma(rag, store, query=QUERIES[0]):
    """Whether a search goes the way that the store says."""
    return (found_by_chroma(rag, query) is not None) == (store != "auto")


def test_progress_tells_what_is_built(made, store):
    assert made[1] == ([] if store == "auto" else ["chroma 0/1,500", "chroma 1,000/1,500"])


@pytest.mark.parametrize("top_k", [1, 10, 100, 5_000])
def test_a_store_finds_what_exact_search_finds(read_only, store, caplog, top_k):
    for query in QUERIES:
        assert hits(read_only, query, top_k) == exact(read_only, query, top_k)
        assert by_chroma(read_only, store, query)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("where", "keeps"),
    [
        ({"topic": 3}, lambda at: at % 11 == 3),
        ({"even": True}, lambda at: at % 2 == 0),
        ({"source": {"$in": ["doc-3", "doc-900"]}}, lambda at: at in (3, 900)),
        ({"topic": 99}, lambda at: False),
    ],
)
def test_a_filter_comes_before_top_k(read_only, where, keeps):
    wanted = [it for it in exact(read_only, QUERIES[1], COUNT) if keeps(int(it[1].removeprefix("doc-")))]
    assert hits(read_only, QUERIES[1], 20, where) == wanted[:20]


def test_few_changes_are_seen_at_once_and_build_nothing_and_many_build_anew(rag, store):
    first = generation_folder(rag) if store != "auto" else None
    rag.add(documents(range(20), "new"))
    assert store == "auto" or generation_folder(rag) == first
    for query in [*QUERIES, "red number 3 topic 3 new"]:
        assert hits(rag, query) == exact(rag, query)
    rag.add(documents(range(1_200), "newer"))
    assert store == "auto" or generation_folder(rag) != first
    for query in [*QUERIES, "red number 3 topic 3 newer"]:
        assert hits(rag, query) == exact(rag, query)
    assert hits(rag, "red number 3 topic 3 newer", 1)[0][1] == "doc-3"
    assert by_chroma(rag, store)
    assert rag.verify().problems == ()


def test_what_is_removed_is_not_found(rag, store):
    for gone in (range(5), range(5, 1_400)):
        rag.remove([f"doc-{at}" for at in gone])
        for query in QUERIES:
            assert hits(rag, query, 30) == exact(rag, query, 30)
            assert not {source for _, source, _ in hits(rag, query, 30)} & {f"doc-{at}" for at in gone}
        assert by_chroma(rag, store)
    rag.remove([f"doc-{at}" for at in range(1_400, COUNT)])
    assert hits(rag, QUERIES[0]) == []
    rag.add(documents(range(3)))
    assert len(hits(rag, QUERIES[0])) == 3


def test_equal_texts_have_a_hit_each_in_the_order_of_their_ids(tmp_path, store):
    rag = open_rag(tmp_path / "index", store)
    rag.add([*documents(range(400)), *({"id": f"same-{at}", "text": "the same words"} for at in range(300))])
    for top_k in (5, 299, 310):
        assert hits(rag, "the same words", top_k) == exact(rag, "the same words", top_k)
    assert [score for *_, score in hits(rag, "the same words", 5)] == pytest.approx([1] * 5)


def test_words_that_share_vectors_and_queries_without_direction_are_ranked_as_ever(tmp_path, store):
    rag = open_rag(tmp_path / "index", store, HashEmbedder(16))
    titled = {"id": "titled", "text": "plain words", "metadata": {"title": "Old"}}
    rag.add([*documents(range(400)), titled])
    rag.add({**titled, "metadata": {"title": "New"}})
    assert hits(rag, "New\nplain words", 1)[0][1:] == ("titled", pytest.approx(1)), "its new vector finds it"
    for query in [*QUERIES, "?!", "words of which none is there", "Old\nplain words"]:
        assert hits(rag, query, 20) == exact(rag, query, 20)


@pytest.fixture(scope="module")
def passages(tmp_path_factory, minilm):
    """An index of 300 real passages, and the passages."""
    texts = [node.text for path in sorted(SAMPLES.iterdir()) for node in load(path) if getattr(node, "text", "")]
    sentences = {it for text in texts for it in re.split(r"(?<=[.?!])\s+", text) if len(it.split()) > 5}
    chosen = sorted(sentences)[:300]
    folder = tmp_path_factory.mktemp("passages") / "index"
    open_rag(folder, "auto", minilm).add({"id": f"passage-{at}", "text": text} for at, text in enumerate(chosen))
    return folder, chosen


def test_an_index_of_300_real_passages_moves_to_a_store_and_has_the_same_hits(tmp_path, store, passages, minilm):
    made, chosen = passages
    assert len(chosen) == 300
    shutil.copytree(made, tmp_path / "index")
    rag = open_rag(tmp_path / "index", store, minilm)
    rag.add([])
    assert rag.status().retrievers["bi-encoder"].get("store", "auto") == store
    fresh = open_rag(tmp_path / "index", encoder=minilm)  # as the catalog says
    for question in (
        "How long should water boil?",
        "Which filters remove nitrate?",
        "what was for dinner",
        *chosen[::100],
    ):
        assert hits(fresh, question) == exact(rag, question)
        assert by_chroma(fresh, store, question)


def test_a_commit_that_nobody_refreshed_is_searched_exactly(rag, store):
    with rag.index.write() as writer, rag.index.read() as snapshot:
        writer.remove([next(snapshot.chunks()).document_id])
    assert found_by_chroma(rag, QUERIES[0]) is None
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    assert rag.verify(repair=True).remaining == ()
    assert by_chroma(rag, store)


def test_who_opens_an_index_with_other_retrievers_verifies_its_bytes(read_only, caplog):
    assert RAG(read_only.index.folder, retrievers="bm25").verify().problems == ()
    assert "only the bytes of derived indexes are checked" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("store", ["chroma"])
def test_recall_at_10_over_10_000_random_vectors(tmp_path, store):
    rag = open_rag(tmp_path / "index", store, GaussEmbedder(384))
    rag.add({"id": f"doc-{at}", "text": f"text {at}"} for at in range(10_000))
    recalls = []
    for at in range(100):
        assert by_chroma(rag, store, f"query {at}")
        wanted = {node_id for node_id, *_ in exact(rag, f"query {at}")}
        recalls.append(len(wanted & {node_id for node_id, *_ in hits(rag, f"query {at}")}) / 10)
    assert np.mean(recalls) >= 0.98

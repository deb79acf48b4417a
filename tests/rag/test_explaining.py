"""Why a hit was found: against what the search itself says."""

import json

import pytest
from lateral import RAG, BiEncoderRetriever, BM25Retriever, HybridRetriever
from lateral.errors import FilterError, IndexNotFoundError, InvalidArgumentError
from lateral.rag.explaining import Stages, explain_hit
from lateral.retrievers import CannedRetriever, Explanation, Hit, ranked
from selectolax.lexbor import LexborHTMLParser as Parser

QUERY = "How hot is green tea brewed?"


class Reverse:
    """A reranker that turns its list round, and says why."""

    name = "reverse"

    def rerank(self, query, hits, top_k):
        return ranked("reverse", [Hit(hit.node, -hit.score, hit.trail) for hit in hits], top_k=top_k)

    def explain(self, query, node):
        return Explanation(query, node.id, "turned round", (), 0.0)


@pytest.fixture
def filled(rag, folder):
    rag.add(folder)
    return rag


def path_of(found):
    return [(step.stage, step.rank, step.score) for step in found.path]


def test_the_path_is_the_trail_of_the_search(filled):
    hits = filled.retrieve(QUERY)
    assert len(hits) == 3
    for rank, hit in enumerate(hits, start=1):
        found = filled.explain(QUERY, rank)
        assert found.node == hit.node
        ranked_at = [step for step in path_of(found) if step[1] is not None]
        assert ranked_at == [tuple(step) for step in hit.trail]


def test_the_best_hit_is_explained_unless_another_is_named(filled):
    hits = filled.retrieve(QUERY)
    assert filled.explain(QUERY) == filled.explain(QUERY, 1) == filled.explain(QUERY, hits[0])
    second = filled.explain(QUERY, 2)
    assert second == filled.explain(QUERY, hits[1].node) == filled.explain(QUERY, hits[1].node.id)
    assert second.node == hits[1].node


def test_every_retriever_that_can_tells_what_its_score_is_made_of(filled):
    found = filled.explain(QUERY)
    scores = {step.stage: step.score for step in found.path}
    assert {stage: it.method for stage, it in found.explanations.items()} == {
        "bm25": "bm25",
        "bi-encoder": "leave-one-out",
    }
    for stage, explanation in found.explanations.items():
        assert explanation.total == pytest.approx(scores[stage], abs=1e-6)
        assert explanation.node_id == found.node.id


def test_a_list_without_the_node_says_so(filled):
    bread = filled.retrieve("sourdough oven")[0].node
    found = filled.explain("green tea", bread)
    assert path_of(found)[0] == ("bm25", None, None)
    assert str(found.path[0]) == "no hit (of 1)"
    assert found.explanations["bm25"].total == 0
    nothing = filled.explain("zyzzyva", bread)
    assert [str(step) for step in nothing.path] == [
        "no hits",
        f"{nothing.path[1].rank} of 3",
        f"{nothing.path[2].rank} of 3",
    ]


def test_a_node_below_the_hundred_that_are_read_is_not_among_the_first(tmp_path):
    rag = RAG(tmp_path / "index", retrievers="bm25")
    rag.add([{"id": f"doc-{number:03}", "text": "tea " + "filler words " * number} for number in range(120)])
    ordered = rag.retrieve("tea", 120)
    assert [hit.node.source for hit in ordered] == [f"doc-{number:03}" for number in range(120)], "longer is worse"
    found = rag.explain("tea", ordered[110])
    assert [str(step) for step in found.path] == ["not among the first 100"]
    assert found.explanations["bm25"].total == ordered[110].score
    assert [str(step) for step in rag.explain("tea", 111).path] == ["111 of the first 111"]
    assert [str(step) for step in rag.explain("tea", ordered[3]).path] == ["4 of the first 100"]


def test_an_index_with_one_retriever_has_one_step(tmp_path, folder):
    rag = RAG(tmp_path / "index", retrievers="bm25")
    rag.add(folder)
    found = rag.explain("green tea")
    assert [step.stage for step in found.path] == ["bm25"]
    assert list(found.explanations) == ["bm25"]


def test_a_reranker_stands_last_and_may_tell_too(tmp_path, filled):
    own = RAG(tmp_path / "index", retrievers=filled.retrievers, reranker=Reverse())
    best = own.retrieve(QUERY, 3)[0]
    found = own.explain(QUERY)
    assert found.node == best.node
    assert [step for step in path_of(found) if step[1] is not None] == [tuple(step) for step in best.trail]
    assert list(found.explanations) == ["bm25", "bi-encoder", "reverse"]
    assert own.explain(QUERY, 3).node == filled.retrieve(QUERY)[0].node


def test_what_a_reranker_does_not_read_is_not_in_its_list(tmp_path):
    retriever = BM25Retriever()
    RAG(tmp_path / "index", retrievers=(retriever,)).add(
        [{"id": f"doc-{number:03}", "text": "tea " + "filler words " * number} for number in range(60)]
    )
    rag = RAG(tmp_path / "index", retrievers=(retriever,), reranker=Reverse())
    plain = RAG(tmp_path / "index", retrievers=(retriever,)).retrieve("tea", 60)
    assert [str(step) for step in rag.explain("tea", plain[54]).path] == ["55 of 60", "not among the first 50"]
    assert [str(step) for step in rag.explain("tea", plain[0]).path] == ["1 of 60", "50 of the first 50"]


def test_stages_inside_a_retriever_are_told_one_by_one(filled):
    inner = HybridRetriever(filled.retrievers, weights=[1, 3])
    canned = CannedRetriever(filled.retrieve("honey", 3))
    best = HybridRetriever((inner, canned)).retrieve(QUERY, 5)[0]
    found = explain_hit(Stages(filled.index, (inner, canned), None, 50), QUERY, best)
    assert [(step.stage, step.rank) for step in found.path if step.rank] == [tuple(step)[:2] for step in best.trail]
    assert list(found.explanations) == ["bm25", "bi-encoder"]


def test_the_filter_of_the_search_is_used(filled):
    only = {"file_name": "bread.txt"}
    found = filled.explain("tea sourdough", where=only)
    assert found.node.source.endswith("bread.txt")
    assert {step.listed for step in found.path} == {1}
    with pytest.raises(FilterError, match="nonsense"):
        filled.explain("tea", where={"page": {"$nonsense": 1}})


def newest_first(rankings):
    """A fusion of one's own: the last ranking alone."""
    return ranked("newest", [Hit(hit.node, hit.score) for hit in rankings[-1]])


@pytest.mark.parametrize(("fusion", "stage"), [("rrf", "rrf"), ("convex", "convex"), (newest_first, "newest")])
def test_the_fusion_is_that_of_the_search(filled, fusion, stage):
    own = RAG(filled.index.folder, retrievers=filled.retrievers, fusion=fusion)
    hits = own.retrieve(QUERY)
    for rank, hit in enumerate(hits, start=1):
        step = own.explain(QUERY, rank).path[-1]
        assert (step.stage, step.rank, step.score) == (stage, rank, hit.score)


@pytest.mark.parametrize("query", ["", " \n", "?!…"])
def test_a_query_without_content_has_nothing_to_explain_but_a_node_that_is_named(filled, query):
    node = filled.retrieve("tea")[0].node
    found = filled.explain(query, node)
    assert found.explanations["bm25"].parts == ()
    assert found.path[0].rank is None
    if not query.strip():
        assert [str(step) for step in found.path] == ["no hits"] * 3
        with pytest.raises(InvalidArgumentError, match="no hit to explain: name a node"):
            filled.explain(query)


def test_a_rank_that_is_not_there_is_refused(filled):
    with pytest.raises(InvalidArgumentError, match="the query has 3 hits: a rank must be at most that, got 4"):
        filled.explain(QUERY, 4)
    with pytest.raises(InvalidArgumentError, match="rank of a hit must be a whole number of at least 1, got 0"):
        filled.explain(QUERY, 0)


@pytest.mark.parametrize("wrong", [None, True, 1.0, b"id", object()])
def test_what_is_no_hit_is_refused(filled, wrong):
    with pytest.raises(InvalidArgumentError, match="must be a Hit, a Node, a node's id or a rank"):
        filled.explain(QUERY, wrong)


def test_a_node_of_another_index_is_refused_before_anything_is_searched(tmp_path, filled, embedder):
    other = RAG(tmp_path / "other", retrievers="bm25")
    other.add({"id": "elsewhere", "text": "Green tea elsewhere."})
    (hit,) = other.retrieve("tea")
    embedder.encoded.clear()
    for it in (hit, hit.node, hit.node.id):
        with pytest.raises(InvalidArgumentError, match="has no chunk with the id"):
            filled.explain("tea", it)
    assert embedder.encoded == []


def test_a_query_that_is_no_text_and_an_index_that_is_not_there_are_refused(tmp_path, filled):
    with pytest.raises(InvalidArgumentError, match="a query must be a text"):
        filled.explain(None)
    with pytest.raises(IndexNotFoundError, match="lateral add"):
        RAG(tmp_path / "nowhere", retrievers="bm25").explain("tea")


def test_its_json_and_its_page(tmp_path, embedder):
    hostile = "<script>alert(1)</script> tea </title><img src=x onerror=a()>"
    rag = RAG(tmp_path / "hostile", retrievers=("bm25", BiEncoderRetriever(encoder=embedder)))
    rag.add({"id": hostile, "text": hostile, "metadata": {"title": hostile}})
    found = rag.explain(f"{hostile} \ud800")
    shape = json.loads(json.dumps(found.as_dict()))
    assert set(shape) == {"query", "id", "source", "page", "text", "path", "explanations"}
    assert [set(step) for step in shape["path"]] == [{"stage", "rank", "score", "listed", "complete"}] * 3
    page = Parser(found.as_html())
    assert page.css("script, img") == []
    stages = [row.css_first("td").text() for row in page.css("table")[0].css("tbody tr")]
    assert stages == [step.stage for step in found.path]
    assert "http" not in found.as_html().replace("http-equiv", "")
    found.as_html().encode()
    assert found._repr_html_() in found.as_html()

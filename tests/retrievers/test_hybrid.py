"""The hybrid retriever: what it asks of its retrievers, and what it makes of their answers."""

import pytest
from lateral.errors import FilterError, InvalidArgumentError
from lateral.loaders.node import Node
from lateral.retrievers.canned import CannedRetriever
from lateral.retrievers.fusion import convex_combination, reciprocal_rank_fusion
from lateral.retrievers.hit import Hit
from lateral.retrievers.hybrid import HybridRetriever
from lateral.retrievers.retriever import Retriever
from lateral.retrievers.score_scale import UNKNOWN_SCALE, ScoreScale


def hits(*identifiers):
    nodes = [
        Node(name, "d", "memory", 1, "chunk", name, 0, 1, {"even": place % 2 == 0})
        for place, name in enumerate(identifiers)
    ]
    return [Hit(node, -float(place)) for place, node in enumerate(nodes)]


@pytest.fixture
def parts():
    return [CannedRetriever(hits("a", "b", "c"), stage="bm25"), CannedRetriever(hits("c", "d"), stage="dense")]


class ScaledRetriever(CannedRetriever):
    """A canned retriever that knows what its scores mean."""

    score_scale = ScoreScale(-10.0, 0.0)


def test_hybrid_is_a_retriever_and_fuses_by_scores_on_their_scales(parts):
    parts = [parts[0], ScaledRetriever(hits("c", "d"), stage="dense")]
    hybrid = HybridRetriever(parts, weights=[1, 3])
    assert isinstance(hybrid, Retriever)
    rankings = [part.retrieve("q", 5) for part in parts]
    scales = [UNKNOWN_SCALE, ScaledRetriever.score_scale]
    expected = convex_combination(rankings, scales=scales, weights=[1, 3], depth=100, top_k=2)
    assert hybrid.retrieve("q", 2) == expected
    assert hybrid.fuse(rankings) == convex_combination(rankings, scales=scales, weights=[1, 3])


def test_hybrid_fuses_by_ranks_where_told(parts):
    expected = reciprocal_rank_fusion([part.retrieve("q", 5) for part in parts], weights=[1, 3], rrf_k=10, top_k=2)
    assert HybridRetriever(parts, fusion="rrf", weights=[1, 3], rrf_k=10).retrieve("q", 2) == expected


def test_fusion_may_be_a_function(parts):
    def first_alone(rankings):
        return list(rankings[0])

    assert HybridRetriever(parts, fusion=first_alone).retrieve("q", 2) == parts[0].retrieve("q", 2)
    with pytest.raises(InvalidArgumentError, match="weights are for convex and rrf: a fusion of your own"):
        HybridRetriever(parts, fusion=first_alone, weights=[1, 2])


def test_scale_of_a_retriever_without_hits_is_not_asked_for():
    class Unasked(CannedRetriever):
        @property
        def score_scale(self):
            raise AssertionError("asking loads a model")

    assert len(HybridRetriever([CannedRetriever(hits("a")), Unasked([])]).retrieve("q", 5)) == 1


@pytest.mark.parametrize(("fusion", "scale"), [("convex", ScoreScale(0.0, 1.0)), ("rrf", UNKNOWN_SCALE)])
def test_hybrid_knows_its_own_scale(parts, fusion, scale):
    assert HybridRetriever(parts, fusion=fusion).score_scale == scale


def test_each_retriever_is_asked_for_depth_candidates_with_the_same_filter(parts):
    where = {"page": 1}
    HybridRetriever(parts, depth=7).retrieve("q", 3, where)
    assert [part.calls for part in parts] == [[("q", 7, where)]] * 2


def test_top_k_above_depth_asks_for_top_k(parts):
    HybridRetriever(parts, depth=7).retrieve("q", 9)
    assert parts[0].calls == [("q", 9, None)]


def test_filter_holds_for_the_fused_hits(parts):
    found = HybridRetriever(parts).retrieve("q", 9, {"even": True})
    assert {hit.node.id for hit in found} == {"a", "c"}


@pytest.mark.parametrize("query", ["", "  \n"])
def test_query_without_content_has_no_hits(parts, query):
    assert HybridRetriever(parts).retrieve(query, 5) == []


def test_hybrid_of_hybrids_keeps_the_whole_trail(parts):
    found = HybridRetriever([HybridRetriever(parts[:1]), parts[1]]).retrieve("q", 5)
    (hit,) = [hit for hit in found if hit.node.id == "c"]
    assert [step.stage for step in hit.trail] == ["bm25", "convex", "dense", "convex"]


def test_wrong_filter_and_top_k_are_refused(parts):
    with pytest.raises(FilterError, match=r"\$regex"):
        HybridRetriever(parts).retrieve("q", 5, {"a": {"$regex": "x"}})
    with pytest.raises(InvalidArgumentError, match="top_k"):
        HybridRetriever(parts).retrieve("q", 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": [1]}, "expected 2, got 1"),
        ({"weights": [1, 0]}, "positive"),
        ({"rrf_k": 0}, "rrf_k"),
        ({"fusion": "magic"}, "fusion must be one of convex, rrf, or a function, got 'magic'"),
        ({"fusion": None}, "got None"),
        ({"depth": 0}, "depth must be a whole number of at least 1, got 0"),
    ],
)
def test_constructor_refuses_what_can_not_work(parts, arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        HybridRetriever(parts, **arguments)


def test_hybrid_of_nothing_is_refused():
    with pytest.raises(InvalidArgumentError, match="at least one retriever"):
        HybridRetriever([])

"""Where a reranker's ranks are made."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.errors import InvalidArgumentError
from lateral.loaders.node import Node, document_id, node_id
from lateral.rerankers import candidates_of, reranked
from lateral.retrievers.hit import Hit, TrailStep


def make_hits(count):
    document = document_id("/a.txt")
    nodes = [
        Node(node_id(document, None, "chunk", at, "t"), document, "/a.txt", None, "chunk", "t", at, at + 1)
        for at in range(count)
    ]
    return [Hit(node, 1.0 - at / 100, (TrailStep("bm25", at + 1, 1.0 - at / 100),)) for at, node in enumerate(nodes)]


def test_hits_are_ordered_by_the_new_scores_and_keep_their_trail():
    hits = make_hits(3)
    found = reranked("judge", hits, [0.1, 0.9, 0.5], top_k=2)
    assert [hit.node for hit in found] == [hits[1].node, hits[2].node]
    assert [hit.score for hit in found] == [0.9, 0.5]
    assert found[0].trail == (TrailStep("bm25", 2, 0.99), TrailStep("judge", 1, 0.9))


def test_equal_scores_keep_the_order_before():
    hits = make_hits(6)
    assert [hit.node for hit in reranked("judge", hits, [0.5] * 6, top_k=6)] == [hit.node for hit in hits]
    turned = hits[::-1]
    assert [hit.node for hit in reranked("judge", turned, [0.5] * 6, top_k=6)] == [hit.node for hit in turned]


@pytest.mark.parametrize(
    ("scores", "top_k", "message"),
    [
        ([1.0, math.nan], 2, "the stage 'judge' gave a NaN score"),
        ([1.0], 2, "gave 1 scores for 2 hits"),
        ([1.0, 2.0], 0, "top_k must be a whole number of at least 1"),
    ],
)
def test_what_is_no_ranking_is_refused(scores, top_k, message):
    with pytest.raises(InvalidArgumentError, match=message):
        reranked("judge", make_hits(2), scores, top_k=top_k)


def test_one_node_twice_is_refused():
    with pytest.raises(InvalidArgumentError, match="the stage 'judge' was given one node twice"):
        reranked("judge", make_hits(1) * 2, [1.0, 2.0], top_k=2)


def test_no_hits_stay_none():
    assert reranked("judge", [], [], top_k=1) == []


@given(st.lists(st.floats(allow_nan=False), max_size=12), st.integers(1, 15))
def test_output_is_sorted_of_the_input_and_leaves_it_alone(scores, top_k):
    hits = make_hits(len(scores))
    before = list(hits)
    found = reranked("judge", hits, scores, top_k=top_k)
    assert hits == before
    assert len(found) == min(top_k, len(scores))
    assert [hit.score for hit in found] == sorted(scores, reverse=True)[:top_k]
    assert {hit.node for hit in found} <= {hit.node for hit in hits}
    assert [hit.trail[-1].rank for hit in found] == list(range(1, len(found) + 1))


def test_a_reranker_says_how_many_hits_it_wants():
    class Silent:
        def rerank(self, query, hits, top_k):
            return list(hits[:top_k])

    class Wide(Silent):
        candidates = 200

    assert (candidates_of(Silent()), candidates_of(Wide())) == (50, 200)

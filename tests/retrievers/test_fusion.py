"""Reciprocal rank fusion: the formula by hand, every edge, and what holds for any rankings."""

import copy
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.errors import InvalidArgumentError
from lateral.loaders.node import Node
from lateral.retrievers.fusion import reciprocal_rank_fusion
from lateral.retrievers.hit import Hit, TrailStep, ranked


def make_node(identifier, text="text"):
    return Node(identifier, "d", "memory", None, "chunk", text, 0, len(text))


def ranking(stage, *identifiers):
    return ranked(stage, [Hit(make_node(name), -place) for place, name in enumerate(identifiers)])


def test_score_is_the_sum_of_reciprocal_ranks_from_one():
    fused = reciprocal_rank_fusion([ranking("bm25", "a", "b"), ranking("dense", "b", "c")])
    assert [hit.node.id for hit in fused] == ["b", "a", "c"]
    assert [hit.score for hit in fused] == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62])


def test_weights_multiply_and_rrf_k_levels():
    fused = reciprocal_rank_fusion([ranking("x", "a"), ranking("y", "b")], weights=[1, 2.5], rrf_k=1)
    assert [(hit.node.id, hit.score) for hit in fused] == [("b", 1.25), ("a", 0.5)]


def test_trail_holds_every_list_that_found_the_node_and_then_the_fusion():
    (hit,) = reciprocal_rank_fusion([ranking("bm25", "a"), ranking("dense", "b", "a"), []], top_k=1)
    assert hit.trail == (TrailStep("bm25", 1, 0), TrailStep("dense", 2, -1), TrailStep("rrf", 1, hit.score))


def test_two_nodes_with_equal_text_stay_two():
    twins = [Hit(make_node("a", "same"), 2.0), Hit(make_node("b", "same"), 1.0)]
    fused = reciprocal_rank_fusion([twins])
    assert [hit.node.id for hit in fused] == ["a", "b"]
    assert fused[0].score == 1 / 61


def test_ties_are_broken_by_node_id():
    assert [hit.node.id for hit in reciprocal_rank_fusion([ranking("x", "b"), ranking("y", "a")])] == ["a", "b"]


@pytest.mark.parametrize("rankings", [[], [[]], [[], []]])
def test_no_hits_fuse_to_none(rankings):
    assert reciprocal_rank_fusion(rankings) == []


def test_top_k_above_the_number_of_nodes_gives_all():
    assert len(reciprocal_rank_fusion([ranking("x", "a", "b")], top_k=50)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": [1.0]}, "expected 2, got 1"),
        ({"weights": [1.0, 0]}, "positive, finite number, got 0"),
        ({"weights": [1.0, -1.0]}, "positive"),
        ({"weights": [1.0, float("inf")]}, "finite"),
        ({"weights": [1.0, float("nan")]}, "finite"),
        ({"weights": [1.0, True]}, "got True"),
        ({"rrf_k": 0}, "rrf_k must be a whole number of at least 1, got 0"),
        ({"rrf_k": 60.0}, "rrf_k"),
        ({"top_k": 0}, "top_k"),
    ],
)
def test_argument_out_of_bounds_is_refused(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        reciprocal_rank_fusion([ranking("x", "a"), []], **arguments)


def test_ranking_that_holds_a_node_twice_is_refused():
    hit = Hit(make_node("a"), 1.0)
    with pytest.raises(InvalidArgumentError, match="ranking 2 of 2 holds a node twice"):
        reciprocal_rank_fusion([[], [hit, hit]])


rankings_of_ids = st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), max_size=5)


@given(rankings_of_ids, st.integers(1, 100), st.data())
def test_fusion_matches_exact_arithmetic_and_leaves_its_input_alone(ids, rrf_k, data):
    weights = data.draw(st.lists(st.integers(1, 9), min_size=len(ids), max_size=len(ids)))
    rankings = [ranking(f"stage{number}", *names) for number, names in enumerate(ids)]
    before = copy.deepcopy(rankings)
    fused = reciprocal_rank_fusion(rankings, weights=weights, rrf_k=rrf_k)
    assert rankings == before
    exact = {
        name: sum(
            Fraction(w, rrf_k + 1 + names.index(name)) for w, names in zip(weights, ids, strict=True) if name in names
        )
        for names in ids
        for name in names
    }
    assert {hit.node.id for hit in fused} == set(exact)
    assert all(hit.score == pytest.approx(float(exact[hit.node.id])) for hit in fused)
    assert fused == sorted(fused, key=lambda hit: (-hit.score, hit.node.id))
    assert [hit.trail[-1].rank for hit in fused] == list(range(1, len(fused) + 1))


@given(rankings_of_ids, st.randoms(use_true_random=False))
def test_order_of_the_rankings_plays_no_part(ids, shuffler: random.Random):
    rankings = [ranking(f"stage{number}", *names) for number, names in enumerate(ids)]
    shuffled = shuffler.sample(rankings, len(rankings))
    one, other = reciprocal_rank_fusion(rankings), reciprocal_rank_fusion(shuffled)
    assert [(hit.node.id, hit.score) for hit in one] == [(hit.node.id, hit.score) for hit in other]


@given(rankings_of_ids, st.integers(1, 10))
def test_top_k_is_a_prefix_of_the_whole(ids, top_k):
    rankings = [ranking(f"stage{number}", *names) for number, names in enumerate(ids)]
    assert reciprocal_rank_fusion(rankings, top_k=top_k) == reciprocal_rank_fusion(rankings)[:top_k]

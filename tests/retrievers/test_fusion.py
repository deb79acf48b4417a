"""Fusion by ranks and by scores: the formulas by hand, every edge, and what holds for any rankings."""

import copy
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.errors import InvalidArgumentError
from lateral.loaders.node import Node
from lateral.retrievers.fusion import OPEN_WEIGHT, convex_combination, reciprocal_rank_fusion
from lateral.retrievers.hit import Hit, TrailStep, ranked
from lateral.retrievers.score_scale import LEXICAL_SCALE, UNKNOWN_SCALE, ScoreScale


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


COSINE = ScoreScale(0.2, 1.0)


def scored(stage, **scores):
    return ranked(stage, [Hit(make_node(name), score) for name, score in scores.items()])


def fused_scores(rankings, **arguments):
    return {hit.node.id: hit.score for hit in convex_combination(rankings, **arguments)}


def test_score_is_the_mean_of_places_between_floor_and_ceiling():
    # Lexical: 6/8 and 8/8 of the best, weight 1/3. Cosines from 0.2 to 1: 0.6 is at 1/2, 0.4 at 1/4, weight 1.
    found = fused_scores([scored("bm25", a=8, b=6), scored("dense", b=0.6, c=0.4)], scales=[LEXICAL_SCALE, COSINE])
    assert list(found) == ["b", "a", "c"]
    assert found == pytest.approx(
        {"b": (0.75 / 3 + 0.5) / (4 / 3), "a": (1 / 3 + 0.25) / (4 / 3), "c": (0.75 / 3 + 0.25) / (4 / 3)}
    )


def test_missing_node_has_the_place_of_the_lowest_hit_of_a_ranking_that_was_cut_and_nothing_of_one_that_ended():
    rankings, scales = [scored("bm25", a=8, b=4), scored("dense", c=0.6)], [LEXICAL_SCALE, COSINE]
    ended = {"a": (1 / 3 + 0) / (4 / 3), "b": (0.5 / 3 + 0) / (4 / 3), "c": (0 + 0.5) / (4 / 3)}
    assert fused_scores(rankings, scales=scales, depth=3) == pytest.approx(ended)
    cut = {"a": (1 / 3 + 0.5) / (4 / 3), "b": (0.5 / 3 + 0.5) / (4 / 3), "c": (0.5 / 3 + 0.5) / (4 / 3)}
    assert fused_scores(rankings, scales=scales, depth=1) == pytest.approx(cut)
    longest = {"a": (1 / 3 + 0) / (4 / 3), "b": (0.5 / 3 + 0) / (4 / 3), "c": (0.5 / 3 + 0.5) / (4 / 3)}
    assert fused_scores(rankings, scales=scales) == fused_scores(rankings, scales=scales, depth=2)
    assert fused_scores(rankings, scales=scales) == pytest.approx(longest)


def test_a_score_far_above_the_rest_of_its_ranking_wins_over_noise_in_another():
    near = {f"n{at:02d}": 0.70 - 0.001 * at for at in range(50)}
    lexical = scored("bm25", wanted=9, **dict.fromkeys(near, 0.5))
    rankings = [lexical, scored("dense", **near)]
    assert convex_combination(rankings, scales=[LEXICAL_SCALE, COSINE], depth=50)[0].node.id == "wanted"
    assert reciprocal_rank_fusion(rankings)[0].node.id == "n00"


def test_weights_multiply_the_shares_of_their_rankings():
    rankings = [scored("x", a=1.0), scored("y", b=1.0)]
    scales = [ScoreScale(0.0, 1.0)] * 2
    assert fused_scores(rankings, scales=scales, weights=[3, 1]) == pytest.approx({"a": 1.0, "b": 1.0})
    rankings = [scored("x", a=1.0, b=0.0), scored("y", b=1.0, a=0.0)]
    assert fused_scores(rankings, scales=scales, weights=[3, 1]) == pytest.approx({"a": 0.75, "b": 0.25})


def test_without_a_scale_the_rankings_own_ends_stand_in():
    assert fused_scores([scored("x", a=7, b=5, c=3)]) == {"a": 1.0, "b": 0.5, "c": 0.0}


@pytest.mark.parametrize(
    ("scale", "scores", "expected"),
    [
        (UNKNOWN_SCALE, {"a": 7.0}, {"a": 1.0}),
        (UNKNOWN_SCALE, {"a": 7.0, "b": 7.0}, {"a": 1.0, "b": 1.0}),
        (LEXICAL_SCALE, {"a": 7.0, "b": 7.0}, {"a": 1.0, "b": 1.0}),
        (LEXICAL_SCALE, {"a": -1.0, "b": -3.0}, {"a": 0.0, "b": 0.0}),
        (COSINE, {"a": 0.2}, {"a": 0.0}),
        (COSINE, {"a": 1.00001, "b": -1.0}, {"a": 1.0, "b": 0.0}),
        (UNKNOWN_SCALE, {"a": 1.7e308, "b": -1.7e308, "c": 0.0}, {"a": 1.0, "c": 0.5, "b": 0.0}),
        (UNKNOWN_SCALE, {"a": 5e-324, "b": 0.0}, {"a": 1.0, "b": 0.0}),
    ],
)
def test_one_hit_equal_scores_and_scores_beyond_the_ends_have_their_place(scale, scores, expected):
    assert fused_scores([scored("x", **scores)], scales=[scale]) == pytest.approx(expected)


def test_empty_ranking_gives_nothing_to_any_node():
    found = fused_scores([[], scored("dense", a=1.0)], scales=[LEXICAL_SCALE, COSINE])
    assert found == pytest.approx({"a": 1 / (1 + OPEN_WEIGHT)})


@pytest.mark.parametrize("rankings", [[], [[]], [[], []]])
def test_no_hits_combine_to_none(rankings):
    assert convex_combination(rankings) == []


def test_combined_trail_holds_every_list_that_found_the_node_and_then_the_fusion():
    (hit,) = convex_combination([scored("bm25", a=7), scored("dense", b=0.5, a=0.4), []], top_k=1)
    assert hit.trail == (TrailStep("bm25", 1, 7), TrailStep("dense", 2, 0.4), TrailStep("convex", 1, hit.score))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": [1.0]}, "weights must be one a ranking: expected 2, got 1"),
        ({"scales": [COSINE]}, "scales must be one a ranking: expected 2, got 1"),
        ({"weights": [1.0, 0]}, "positive, finite number, got 0"),
        ({"top_k": 0}, "top_k"),
        ({"depth": 0}, "depth must be a whole number of at least 1, got 0"),
    ],
)
def test_combination_refuses_an_argument_out_of_bounds(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        convex_combination([ranking("x", "a"), []], **arguments)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_score_that_is_not_finite_is_refused(score):
    with pytest.raises(InvalidArgumentError, match=f"scores must be finite to be fused, got {score} for the node 'a'"):
        convex_combination([[Hit(make_node("a"), score)]])


def test_combination_refuses_a_ranking_that_holds_a_node_twice():
    hit = Hit(make_node("a"), 1.0)
    with pytest.raises(InvalidArgumentError, match="ranking 2 of 2 holds a node twice"):
        convex_combination([[], [hit, hit]])


finite = st.floats(allow_nan=False, allow_infinity=False)
scales_of_all_kinds = st.sampled_from(
    [UNKNOWN_SCALE, LEXICAL_SCALE, COSINE, ScoreScale(None, 5.0), ScoreScale(-1.0, 1.0)]
)
scored_rankings = st.lists(
    st.tuples(st.dictionaries(st.sampled_from("abcdefgh"), finite), scales_of_all_kinds, st.integers(1, 9)), max_size=5
)


@given(scored_rankings, st.randoms(use_true_random=False))
def test_combination_is_bounded_sorted_and_blind_to_order(drawn, shuffler: random.Random):
    parts = [(scored(f"s{at}", **scores), scale, weight) for at, (scores, scale, weight) in enumerate(drawn)]
    before = copy.deepcopy(parts)

    def combined(parts):
        rankings, scales, weights = ([part[place] for part in parts] for place in range(3))
        return convex_combination(rankings, scales=scales, weights=weights)

    fused = combined(parts)
    assert parts == before
    assert {hit.node.id for hit in fused} == {name for scores, _, _ in drawn for name in scores}
    assert all(0 <= hit.score <= 1 for hit in fused)
    assert fused == sorted(fused, key=lambda hit: (-hit.score, hit.node.id))
    assert [hit.trail[-1].rank for hit in fused] == list(range(1, len(fused) + 1))
    shuffled = [(shuffler.sample(hits, len(hits)), *rest) for hits, *rest in shuffler.sample(parts, len(parts))]
    assert [(hit.node.id, hit.score) for hit in combined(shuffled)] == [(hit.node.id, hit.score) for hit in fused]


@given(scored_rankings, st.integers(1, 10))
def test_top_k_of_a_combination_is_a_prefix_of_the_whole(drawn, top_k):
    rankings = [scored(f"s{at}", **scores) for at, (scores, _, _) in enumerate(drawn)]
    scales = [scale for _, scale, _ in drawn]
    whole = convex_combination(rankings, scales=scales)
    assert convex_combination(rankings, scales=scales, top_k=top_k) == whole[:top_k]


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-50, 50), min_size=1), scales_of_all_kinds)
def test_one_ranking_alone_is_never_turned_round(scores, scale):
    alone = scored("x", **scores)
    found = fused_scores([alone], scales=[scale])
    places = [found[hit.node.id] for hit in alone]
    assert places == sorted(places, reverse=True)


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 50), min_size=1),
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 50), min_size=1),
    st.sampled_from([0.5, 2.0, 1024.0]),
)
def test_unit_of_a_ranking_without_a_ceiling_plays_no_part(one, other, factor):
    larger = {name: factor * score for name, score in one.items()}
    scales = [LEXICAL_SCALE, UNKNOWN_SCALE]
    plain = fused_scores([scored("x", **one), scored("y", **other)], scales=scales)
    assert fused_scores([scored("x", **larger), scored("y", **other)], scales=scales) == plain

import re
from dataclasses import replace

import numpy as np
import pytest
from lateral.rag.evaluation.comparison import Comparison, Row, against
from lateral.rag.evaluation.recommend import Candidate, recommend
from lateral.rag.evaluation.significance import holm, paired_ps


def candidate(name, values, milliseconds, size=1_000.0):
    return Candidate(name, {f"q{at}": value for at, value in enumerate(values)}, milliseconds, size)


def recommended(candidates, baseline):
    """What is recommended of candidates with the p that a table has."""
    base = next(it for it in candidates if it.name == baseline)
    others = [it for it in candidates if it is not base]
    tested = dict(
        zip((it.name for it in others), holm(paired_ps([it.values for it in others], base.values)), strict=True)
    )
    return recommend([replace(it, p=tested.get(it.name)) for it in candidates], baseline)


def test_one_that_is_better_than_all_is_taken_with_its_gain_and_its_price():
    bm25 = candidate("bm25", [0.4] * 100, 1.0)
    dense = candidate("bi-encoder", [0.5] * 100, 10.0, 2_000)
    colbert = candidate("colbert", [0.75] * 100, 40.0, 80_000)
    found = recommended([bm25, dense, colbert], "bi-encoder")
    assert found.choice == "colbert"
    assert found.sentences == (
        "Take colbert: it has the best nDCG@10, 0.750, and nothing faster is shown to stay within 2 points of it.",
        "colbert gains 25.0 points over bi-encoder (p = 0.001 or less) at 4x the latency and 40x the bytes.",
    )


def test_significantly_better_than_all_is_said_of_the_baseline_alone_since_the_tests_are_against_it():
    bm25, dense = candidate("bm25", [0.4] * 100, 1.0), candidate("bi-encoder", [0.5] * 100, 10.0)
    said = "Take bi-encoder: with nDCG@10 0.500 it is significantly better than all others."
    assert str(recommended([bm25, dense], "bi-encoder")) == said
    assert "significantly" not in str(recommended([bm25, dense], "bm25"))


def test_a_gain_that_may_be_chance_is_not_called_significant_in_the_same_breath():
    base = [0.5] * 60
    noisy = candidate("colbert", [0.5 + (0.35 if at % 2 else -0.25) for at in range(60)], 40.0)
    found = recommended([candidate("bi-encoder", base, 10.0), noisy, candidate("bm25", [0.1] * 60, 1.0)], "bi-encoder")
    assert found.choice == "colbert"
    assert "gains 5.0 points over bi-encoder" in str(found)
    assert "which may be chance" in str(found)
    assert "significantly" not in str(found)


def test_a_faster_one_that_is_shown_to_lose_little_is_taken():
    values = [0.5, 0.7] * 50
    dense = candidate("bi-encoder", values, 10.0)
    fusion = candidate("fusion", [0.51, *values[1:]], 30.0, 1_100)
    found = recommended([dense, fusion], "bi-encoder")
    assert found.choice == "bi-encoder"
    assert str(found) == (
        "Take bi-encoder, nDCG@10 0.600: with 95% confidence it loses at most 0.1 points to the best, and it is "
        "faster. The best, fusion, is 0.0 points above it (p = 1.00) at 3x the latency and about the same bytes."
    )


@pytest.mark.parametrize(("swing", "choice"), [(0.02, "fast"), (0.12, "best")])
def test_how_little_is_lost_is_an_interval_as_computed_by_hand(swing, choice):
    # Losses of 0.01 ± swing: their deviation is swing * (100/99) ** 0.5, so that the mean is below 0.01 + 0.1653 swing.
    fast = candidate("fast", [0.5] * 100, 1.0)
    best = candidate("best", [0.51 + (swing if at % 2 else -swing) for at in range(100)], 9.0)
    found = recommended([fast, best], "best")
    assert found.choice == choice
    if choice == "fast":
        assert "with 95% confidence it loses at most 1.4 points to the best" in found.sentences[0], (
            "1.33 is more than 1.3"
        )


def test_what_is_lost_at_most_holds_for_the_one_that_is_picked_from_many():
    """Each of ten fast ones loses 1.5 points; the luckiest of them is picked, and is said to lose less in one of 20."""
    rng = np.random.default_rng(4)
    runs, false = 300, 0
    for _ in range(runs):
        noise = rng.normal(0, 0.1, (10, 200))
        fast = [candidate(f"fast{at}", 0.6 - 0.015 + row, 1.0) for at, row in enumerate(noise)]
        said = str(recommend([*fast, candidate("best", [0.6] * 200, 9.0)], "best"))
        found = re.search(r"it loses at most ([\d.]+) points to the best", said)
        false += found is not None and float(found[1]) < 1.5
    assert false / runs <= 0.05


def test_one_query_and_equal_figures_are_said_as_they_are():
    found = recommended([candidate("bm25", [0.5], 5.0), candidate("bi-encoder", [0.5], 10.0)], "bi-encoder")
    assert str(found) == (
        "Take bm25: it has the best nDCG@10, 0.500, and nothing is faster. bm25 is level with bi-encoder (p = 1.00) at "
        "1/2 of the latency and about the same bytes. 1 query tells only large differences from chance: judge more "
        "before deciding."
    )


def test_nothing_is_recommended_where_nothing_relevant_was_found():
    nothing = [candidate("bm25", [0.0] * 60, 1.0), candidate("bi-encoder", [0.0] * 60, 10.0)]
    found = recommended(nothing, "bi-encoder")
    assert found.choice is None
    assert str(found).startswith("Nothing is recommended: no configuration found anything relevant")
    assert found.as_dict() == {"choice": None, "words": str(found)}


def test_a_faster_one_that_is_worse_is_not_taken():
    assert recommended([candidate("a", [0.2] * 50, 1.0), candidate("b", [0.9] * 50, 9.0)], "a").choice == "b"


def test_the_clocks_noise_decides_nothing():
    values = [0.5, 0.7] * 50
    worse, better = candidate("worse", values, 6.01), candidate("better", [0.6, *values[1:]], 6.02)
    slow = candidate("slow", [0.61, *values[1:]], 60.0)
    assert recommended([worse, better, slow], "slow").choice == "better"


def test_one_that_is_about_as_fast_as_the_best_is_not_taken_for_being_faster():
    values = [0.5, 0.7] * 50
    fast, near, best = (candidate(f"m{at}", [0.6 + at / 1_000, *values[1:]], 1.0 + at * 0.08) for at in range(3))
    assert (fast.p50_ms * 1.15, near.p50_ms, best.p50_ms) == pytest.approx((1.15, 1.08, 1.16))
    found = recommended([fast, near, best], "m2")
    assert found.choice == "m0", "1.16 ms is more than 15% above 1 ms, and not above 1.08 ms"
    assert recommended([near, best], "m2").choice == "m2"


def test_of_few_queries_the_best_is_taken_since_they_show_no_equal():
    ten = [candidate("bm25", [0.5] * 10, 1.0), candidate("bi-encoder", [1.0] * 9 + [0.0], 10.0)]
    assert recommended(ten, "bi-encoder").choice == "bi-encoder"
    good = candidate("good", [1.0, 0.9, 1.0, 1.0] + [0.5] * 8, 20.0)
    fast = candidate("fast", [0.5, 1.0, 0.6, 0.7] + [0.5] * 8, 2.0)
    found = recommended([good, fast], "good")
    assert found.sentences == (
        "Take good: it has the best nDCG@10, 0.658.",
        "12 queries tell only large differences from chance: judge more before deciding.",
    )
    # Differences 0.5, -0.1, 0.4, 0.3, of 16 patterns of signs 4 have a sum of 1.1 or more: p = 0.25.
    beside = recommended([good, fast], "fast").sentences[1]
    assert beside.startswith("good gains 9.2 points over fast (p = 0.25), which may be chance, at 10x the latency")


@pytest.mark.parametrize(
    ("p", "shown"),
    [(0.0004, "0.001 or less"), (0.0496, "0.0496"), (0.0504, "0.0504"), (0.031, "0.031"), (0.42, "0.42")],
)
def test_a_p_beside_the_level_is_not_rounded_to_it(p, shown):
    gaining = replace(candidate("b", [0.9] * 50, 1.0), p=p)
    assert f"(p = {shown})" in str(recommend([candidate("a", [0.1] * 50, 10.0), gaining], "a"))


def test_a_comparison_says_the_p_of_its_table_and_what_to_take_once_for_all():
    names = {"bm25": [0.2, 0.4] * 40, "bi-encoder": [0.3, 0.31] * 40, "colbert": [0.4, 0.5] * 40}
    rows = [
        Row(name, {"ndcg@10": {f"q{at}": value for at, value in enumerate(values)}}, {"q0": 1.0}, 1.0)
        for name, values in names.items()
    ]
    found = Comparison("tiny", tuple(against(rows, "bm25")), "bm25", 80, 4, 4, top_k=100, index_seconds=None)
    assert found.recommendation.choice == "colbert"
    assert found.rows[2].p < 0.001
    assert "colbert gains 15.0 points over bm25 (p = 0.001 or less)" in str(found.recommendation)
    assert found.recommendation is found.recommendation


def test_one_alone_is_no_choice():
    found = recommend([candidate("bm25", [0.5], 1.0)], "bm25")
    assert (found.choice, str(found)) == ("bm25", "Only bm25 was measured: there is nothing to choose from.")


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0.0, "at unknown latency"),
        (0.5, "at 1/20 of the latency"),
        (5.0, "at 1/2 of the latency"),
        (7.0, "at 0.7x the latency"),
        (9.5, "at about the same latency"),
        (125.0, "at 12x the latency"),
    ],
)
def test_ratios_are_said_as_people_say_them(milliseconds, words):
    found = recommended([candidate("a", [0.1] * 50, 10.0), candidate("b", [0.9] * 50, milliseconds)], "a")
    assert f"b gains 80.0 points over a (p = 0.001 or less) {words} and about the same bytes." in str(found)


def test_the_recommendation_is_json():
    found = recommend([candidate("bm25", [0.5], 1.0)], "bm25")
    assert found.as_dict() == {"choice": "bm25", "words": str(found)}

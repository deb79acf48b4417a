import pytest
from lateral.rag.evaluation.recommend import Candidate, recommend


def candidate(name, values, milliseconds, size=1_000.0):
    return Candidate(name, {f"q{at}": value for at, value in enumerate(values)}, milliseconds, size)


def test_one_that_is_better_than_all_is_taken_with_its_gain_and_its_price():
    bm25 = candidate("bm25", [0.4] * 100, 1.0)
    dense = candidate("bi-encoder", [0.5] * 100, 10.0, 2_000)
    colbert = candidate("colbert", [0.75] * 100, 40.0, 80_000)
    found = recommend([bm25, dense, colbert], "bi-encoder")
    assert found.choice == "colbert"
    assert found.sentences == (
        "Take colbert: with nDCG@10 0.750 it is significantly better than all others.",
        "colbert gains 25.0 points over bi-encoder (p = 0.001 or less) at 4x the latency and 40x the bytes.",
    )


def test_a_faster_one_that_is_not_shown_to_be_worse_is_taken():
    values = [0.5, 0.7] * 50
    dense = candidate("bi-encoder", values, 10.0)
    fusion = candidate("fusion", [0.51, *values[1:]], 30.0, 1_100)
    found = recommend([dense, fusion], "bi-encoder")
    assert found.choice == "bi-encoder"
    assert str(found) == (
        "Take bi-encoder, nDCG@10 0.600. It is not shown to be worse than the best with 100 queries, and it is faster. "
        "The best, fusion, is 0.0 points above it (p = 1.00) at 3x the latency and about the same bytes."
    )


def test_a_faster_one_that_is_worse_is_not_taken():
    assert recommend([candidate("a", [0.2] * 50, 1.0), candidate("b", [0.9] * 50, 9.0)], "a").choice == "b"


def test_few_queries_are_said_to_show_no_difference():
    good = candidate("good", [1.0, 0.9, 1.0, 1.0] + [0.5] * 8, 20.0)
    fast = candidate("fast", [0.5, 1.0, 0.6, 0.7] + [0.5] * 8, 2.0)
    found = recommend([good, fast], "good")
    assert found.choice == "fast"
    assert "No difference to the best is shown with 12 queries, and it is faster." in found.sentences[0]
    # Differences 0.5, -0.1, 0.4, 0.3, of 16 patterns of signs 4 have a sum of 1.1 or more: p = 0.25.
    assert found.sentences[1].startswith("The best, good, is 9.2 points above it (p = 0.25) at 10x the latency")
    assert found.sentences[2].startswith("fast loses 9.2 points to good (p = 0.25), which may be chance, at 1/10 of")
    assert found.sentences[-1] == "12 queries tell only large differences from chance: judge more before deciding."


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
    found = recommend([candidate("a", [0.1] * 50, 10.0), candidate("b", [0.9] * 50, milliseconds)], "a")
    assert f"b gains 80.0 points over a (p = 0.001 or less) {words} and about the same bytes." in str(found)


def test_the_recommendation_is_json():
    found = recommend([candidate("bm25", [0.5], 1.0)], "bm25")
    assert found.as_dict() == {"choice": "bm25", "words": str(found)}

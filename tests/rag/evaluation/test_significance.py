import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.errors import InvalidArgumentError
from lateral.rag.evaluation.significance import PERMUTATIONS, holm, paired_p, paired_ps, randomization_test
from scipy.stats import permutation_test


def theirs(first, second, **options):
    def mean_difference(x, y, axis):
        return np.mean(x - y, axis=axis)

    done = permutation_test(
        (np.array(first), np.array(second)), mean_difference, permutation_type="samples", vectorized=True, **options
    )
    return done.pvalue


def test_three_queries_are_tested_as_computed_by_hand():
    # Sums of (±3, ±1, ±1): 5, 3, 3, 1 and their opposites: 2 of 8 are as large as 5, 6 of 8 as large as 3.
    assert randomization_test([4, 2, 2], [1, 1, 1]) == pytest.approx(2 / 8)
    assert randomization_test([4, 2, 1], [1, 1, 2]) == pytest.approx(6 / 8)


def test_few_queries_are_enumerated_as_scipy_does():
    rng = np.random.default_rng(7)
    first, second = rng.random(11), rng.random(11) - 0.15
    exact = theirs(first, second, n_resamples=np.inf)
    assert randomization_test(first, second) == pytest.approx(exact)
    assert randomization_test(second, first) == pytest.approx(exact)


@pytest.mark.parametrize("shift", [0.02, 0.06, 0.12])
def test_many_queries_are_sampled_near_what_scipy_samples(shift):
    rng = np.random.default_rng(3)
    first = rng.random(120)
    second = first - shift + rng.normal(0, 0.3, 120)
    sampled = theirs(first, second, n_resamples=50_000, rng=np.random.default_rng(1))
    assert randomization_test(first, second) == pytest.approx(sampled, abs=0.015)


def test_a_sampled_p_is_never_zero_and_comes_again():
    first, second = [0.9] * 40, [0.1] * 40
    assert randomization_test(first, second) == 1 / (PERMUTATIONS + 1)
    rng = np.random.default_rng(5)
    pair = rng.random(60), rng.random(60)
    assert randomization_test(*pair) == randomization_test(*pair)


def test_queries_without_a_difference_change_nothing():
    assert randomization_test([4, 2, 2, 1, 0], [1, 1, 1, 1, 0]) == randomization_test([4, 2, 2], [1, 1, 1])
    assert randomization_test([0.5, 0.5], [0.5, 0.5]) == 1
    assert randomization_test([], []) == 1


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=30))
def test_p_is_a_probability_and_has_no_sides(pairs):
    first, second = [one for one, _ in pairs], [two for _, two in pairs]
    p = randomization_test(first, second)
    assert 0 < p <= 1
    if len(pairs) <= 13:
        assert randomization_test(second, first) == p


def test_values_are_paired_by_query():
    assert paired_p({"a": 4, "b": 2, "c": 2}, {"c": 1, "b": 1, "a": 1}) == pytest.approx(2 / 8)
    with pytest.raises(InvalidArgumentError, match="same queries"):
        paired_p({"a": 1}, {"b": 1})
    with pytest.raises(InvalidArgumentError, match="paired by query: got 2 and 1"):
        randomization_test([1, 2], [1])
    with pytest.raises(InvalidArgumentError, match="finite"):
        randomization_test([float("nan")], [1])


def test_several_tested_at_once_are_tested_as_each_alone():
    rng = np.random.default_rng(11)
    base = {str(at): value for at, value in enumerate(rng.random(450))}
    several = [
        {query: value + (rng.normal(0.02, 0.3) if rng.random() < share else 0) for query, value in base.items()}
        for share in (0.9, 0.5, 0.01, 0.0)
    ]
    assert paired_ps(several, base) == [paired_p(one, base) for one in several]
    assert paired_ps([], base) == []
    with pytest.raises(InvalidArgumentError, match="same queries"):
        paired_ps([{"a": 1}], base)


def test_ten_tests_over_thousands_of_queries_take_seconds():
    rng = np.random.default_rng(2)
    base = {str(at): value for at, value in enumerate(rng.random(6_980))}
    several = [{query: value + rng.normal(0, 0.3) for query, value in base.items()} for _ in range(10)]
    start = time.process_time()
    paired_ps(several, base)
    assert time.process_time() - start < 10  # 1.2 s here, and 24 s one by one


def test_holm_corrects_as_computed_by_hand():
    # In order 0.01, 0.03, 0.04: times 3, 2 and 1 is 0.03, 0.06 and 0.04, and none below the one before.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []

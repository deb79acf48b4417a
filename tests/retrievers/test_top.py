"""A bound on the best scores, against sorting all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lateral.errors import InvalidArgumentError
from lateral.retrievers.top import GROUP, GROUPS_A_HIT, kth_best

SCORES = arrays(np.float32, st.integers(0, 900), elements=st.floats(-1, 1, width=32))


@given(SCORES, st.integers(1, 12))
def test_at_least_top_k_scores_reach_it_and_it_is_none_beyond_the_kth(scores, top_k):
    found = kth_best(scores, top_k)
    scores = np.sort(scores)[::-1]
    if len(scores) < top_k:
        assert found == -np.inf
    else:
        assert found <= scores[top_k - 1]
        assert (scores >= found).sum() >= top_k


def test_of_many_scores_few_reach_it():
    scores = np.random.default_rng(0).standard_normal(GROUP * GROUPS_A_HIT * 10 * 3).astype(np.float32)
    assert 10 <= (scores >= kth_best(scores, 10)).sum() <= 15


def test_what_does_not_count_is_not_counted():
    assert kth_best(np.array([-np.inf, 0.5, -np.inf], np.float32), 2) == -np.inf


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("count", [3, 5_000])
def test_a_score_that_is_no_number_raises(value, count):
    scores = np.zeros(count, np.float32)
    scores[1] = value
    with pytest.raises(InvalidArgumentError, match="not finite"):
        kth_best(scores, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_it_raises_among_fewer_than_are_asked_for_too(value):
    with pytest.raises(InvalidArgumentError, match="not finite"):
        kth_best(np.array([-np.inf, value, 0.5], np.float32), 5)

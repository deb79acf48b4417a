import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.errors import InvalidArgumentError
from lateral.retrievers.exact import ExactSearch
from lateral.retrievers.store import SegmentRows
from lateral.retrievers.store.formats import FORMATS, pack, view_packed


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def rows_of(vectors, rows, positions, form="float32"):
    """A segment that stores the vectors in a format; each chunk has one."""
    stored = view_packed(pack(vectors, form), *vectors.shape, form)
    return SegmentRows(stored, rows, np.ones(len(rows), np.int64), positions)


def segmented(vectors, cuts, seed=0, form="float32"):
    """The vectors spread over segments in a random order, with rows between that are in nobody's use."""
    order = np.random.default_rng(seed).permutation(len(vectors))
    segments = []
    for part in np.split(order, cuts):
        if len(part):
            held = np.full((2 * len(part), vectors.shape[1]), 9, np.float32)
            held[1::2] = vectors[part]
            segments.append(rows_of(held, np.arange(1, 2 * len(part), 2), part, form))
    return ExactSearch(segments, len(vectors))


RANDOM = np.random.default_rng(3)
VECTORS, QUERY = unit(RANDOM.standard_normal((500, 24))), unit(RANDOM.standard_normal(24))


def brute_force(allowed, top_k, form="float32"):
    stored = view_packed(pack(VECTORS, form), *VECTORS.shape, form).decode(slice(None))
    scores = (stored.astype(np.float64) @ QUERY.astype(np.float64)).astype(np.float32)
    return sorted(np.flatnonzero(allowed).tolist(), key=lambda at: (-scores[at], at))[:top_k], scores


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("top_k", [1, 10, 499, 1_000])
def test_it_agrees_with_products_in_float64_of_what_is_stored(share, top_k, form):
    allowed = np.random.default_rng(1).random(500) < share
    positions, scores = segmented(VECTORS, [100, 101, 400], form=form).search(QUERY, top_k, allowed)
    expected, cosines = brute_force(allowed, top_k, form)
    assert positions.tolist() == expected
    np.testing.assert_allclose(scores, cosines[expected], rtol=1e-6)


@given(st.lists(st.integers(0, 500), max_size=4).map(sorted), st.integers(0, 99), st.integers(1, 40))
def test_where_a_vector_stands_changes_neither_scores_nor_order(cuts, seed, top_k):
    expected, found = segmented(VECTORS, []), segmented(VECTORS, cuts, seed)
    for left, right in zip(expected.search(QUERY, top_k), found.search(QUERY, top_k), strict=True):
        np.testing.assert_array_equal(left, right)


def test_ties_are_by_position_and_a_shared_vector_has_one_score():
    vectors = unit(np.repeat(np.eye(4, 8) + 0.1, 3, axis=0))
    shared = ExactSearch([rows_of(vectors[::3], np.repeat(np.arange(4), 3), np.arange(12))], 12)
    positions, scores = shared.search(vectors[4], 5)
    assert positions[:3].tolist() == [3, 4, 5]
    assert len(set(scores[:3].tolist())) == 1
    assert shared.with_equals(np.array([4, 9])).tolist() == [3, 4, 5, 9, 10, 11]


@pytest.mark.parametrize("form", FORMATS)
def test_a_score_is_never_above_one_and_nan_is_refused(form):
    assert max(segmented(VECTORS, [50], form=form).search(VECTORS[7], 500)[1]) <= 1
    with pytest.raises(InvalidArgumentError, match="NaN"):
        segmented(VECTORS, [], form=form).search(np.full(24, np.nan, np.float32), 3)
    with pytest.raises(InvalidArgumentError, match="NaN"):
        segmented(VECTORS, [], form=form).search(np.full(24, np.nan, np.float32), 3, np.arange(500) < 5)


def test_scores_beyond_1_are_equal_and_go_by_position():
    """Vectors that are a little longer than 1: their products are 1.0001 to 1.0004, their scores all 1."""
    query = unit(np.ones(24))
    vectors = np.outer([1.0001, 1.0002, 1.0004, 0.5], query).astype(np.float32)
    search = ExactSearch([rows_of(vectors, np.arange(4), np.arange(4))], 4)
    assert [search.search(query, top_k)[0].tolist() for top_k in (1, 2)] == [[0], [0, 1]]
    assert search.search(query, 1)[1].tolist() == [1.0]

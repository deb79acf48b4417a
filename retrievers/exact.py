"""Exact search over the vectors of one generation, and the scores that every dense search ends with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .products import Products, products_with
from .store import SegmentRows
from .top import check_scores, kth_best

__all__ = ["ExactSearch"]

BLOCK_ROWS = 4_096  # vectors brought to float64 at once: 12 MB at 384 dimensions
LEAST = float(np.finfo(np.float32).min)  # what is hidden scores minus infinity
GATHER_SHARE = 8  # below an eighth of the chunks, copying the allowed vectors costs less than multiplying all of them


class ExactSearch:
    """Every vector compared with the query.

    The last word on a score is a product in float64, rounded to float32: it does not depend on which segment a vector
    stands in, nor on how its candidates were found, and equal vectors get equal scores.

    Args:
        segments: The vectors of every chunk; see `Snapshot.vectors`.
        count: How many chunks there are.
    """

    def __init__(self, segments: Sequence[SegmentRows], count: int) -> None:
        self._segments = segments
        self._count = count
        self._firsts = np.cumsum([0, *(len(segment.vectors) for segment in segments)])
        self._rows = np.empty(count, np.int64)  # of each chunk, counted through all segments
        for segment, first in zip(segments, self._firsts.tolist(), strict=False):  # it has one more
            self._rows[segment.positions] = segment.rows + first
        self._products = [Products(segment.vectors) for segment in segments]
        self._order = np.argsort(self._rows, kind="stable")
        self._ordered = self._rows[self._order]
        self._is_shared = bool((np.diff(self._ordered) == 0).any())  # whether chunks share a vector
        dead = self._hidden(np.ones(count, np.bool_))
        self._dead = dead if dead.any() else None  # rows that belong to no chunk any more

    def search(
        self, query: NDArray[np.float32], top_k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns the positions of the best chunks and their cosines: score descending, ties by position ascending.

        Args:
            query: float32, shape (dim,), L2-normalised.
            top_k: How many at most.
            allowed: bool, shape (count,): which chunks may be returned. None for all.

        Raises:
            InvalidArgumentError: A score is NaN.
        """
        check_scores(query)
        if allowed is not None and np.count_nonzero(allowed) * GATHER_SHARE <= self._count:
            return self.best(np.flatnonzero(allowed), query, top_k)
        rough, error = products_with(query, self._products)
        hidden = self._dead if allowed is None else self._hidden(allowed)
        if hidden is not None:
            rough[hidden] = -np.inf
        # The rough products may have put the last ones in the wrong order: look at all that come near.
        # Scores end at 1: products beyond it, of vectors that are a little longer than 1, are as good as each other.
        least = max(min(kth_best(rough, top_k), 1.0) - 2 * (error + _rounding(len(query))), LEAST)
        positions = self._chunks(np.flatnonzero(rough >= least))
        return self.best(positions if allowed is None else positions[allowed[positions]], query, top_k)

    def best(
        self, positions: NDArray[np.int64], query: NDArray[np.float32], top_k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns the best of these chunks, given by ascending position; see `search`."""
        scores = self.scores(positions, query)
        check_scores(scores)
        order = np.argsort(-scores, kind="stable")[:top_k]
        return positions[order], scores[order]

    def scores(self, positions: NDArray[np.int64], query: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the cosines of these chunks, float32, shape (len(positions),), in [-1, 1]; NaN stays NaN."""
        exact, wide = np.empty(len(positions), np.float32), query.astype(np.float64)
        for start in range(0, len(positions), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            # Row by row: a matrix product may add up a row's terms in another order when it stands elsewhere.
            exact[block] = np.einsum("ij,j->i", self.rows(positions[block]).astype(np.float64), wide)
        return np.clip(exact, -1, 1, out=exact)  # rounding gives 1.0000001

    def rows(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns a copy of the vectors of these chunks, float32, shape (len(positions), dim)."""
        rows = self._rows[positions]
        if len(self._segments) == 1:
            return self._segments[0].vectors.decode(rows)
        copy = np.empty((len(positions), self._segments[0].vectors.dim), np.float32)
        numbers = np.searchsorted(self._firsts, rows, "right") - 1
        for number in np.unique(numbers):
            here = numbers == number
            copy[here] = self._segments[number].vectors.decode(rows[here] - self._firsts[number])
        return copy

    def with_equals(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns these positions and those of every chunk that shares a vector with one of them, ascending."""
        return self._chunks(np.unique(self._rows[positions]))

    def _chunks(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the positions of all chunks whose vectors stand in these rows, ascending."""
        first = np.searchsorted(self._ordered, rows)
        if not self._is_shared:
            return np.sort(self._order[first])
        counts = np.searchsorted(self._ordered, rows, "right") - first
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.sort(self._order[np.repeat(first, counts) + within])

    def _hidden(self, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Returns which rows belong to no allowed chunk."""
        hidden = np.ones(self._firsts[-1], np.bool_)
        hidden[self._rows[allowed]] = False
        return hidden


def _rounding(dim: int) -> float:
    """Returns how far a product of two unit vectors in float32 may be off.

    Source:
        Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1: n u / (1 - n u), for |x| |y| <= 1.
    """
    bound = dim * float(np.finfo(np.float32).eps) / 2
    return bound / (1 - bound)

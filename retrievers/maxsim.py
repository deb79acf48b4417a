"""Late interaction: exact MaxSim over the token vectors of many texts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .products import quantized
from .store import SegmentRows
from .store.formats import StoredVectors
from .top import check_scores

__all__ = ["DEFAULT_CACHE_BYTES", "MaxSimSearch", "TokenSegment", "maxsim", "token_segment"]

BLOCK_TOKENS = 8_192  # the products of a block with 32 query tokens take 1 MB: they stay in a core's cache
QUERY_RUN = 128  # query tokens at a time: memory does not grow with the query's length
DEFAULT_CACHE_BYTES = 1 << 30
FLOAT_SLACK = 1e-4  # what rounding adds to sums of products of unit vectors in float32, for a thousand query tokens
NO_TOKENS = -np.inf  # a text without tokens matches nothing

Item = TypeVar("Item")
Result = TypeVar("Result")


def maxsim(query: NDArray[np.floating], tokens: NDArray[np.floating], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns each text's score: the sum, over the query's tokens, of the greatest similarity to any of its tokens.

    Nothing is padded, so that a text's score does not depend on the others.

    Args:
        query: Shape (query tokens, dim).
        tokens: Shape (tokens, dim): the texts' tokens, one text behind the other.
        starts: Shape (texts,), strictly ascending from 0: where each text begins. None is empty.

    Returns:
        float64, shape (texts,), within [-query tokens, query tokens] for unit vectors.

    Source:
        Khattab & Zaharia 2020, ColBERT, section 3.3: S(q, d) = sum over i of max over j of E_q(i) . E_d(j).
    """
    products = query.astype(np.float64) @ tokens.T.astype(np.float64)
    best: NDArray[np.float64] = np.maximum.reduceat(products, starts, axis=1)
    scores: NDArray[np.float64] = best.sum(axis=0)
    return scores


@dataclass(frozen=True, slots=True)
class TokenSegment:
    """The token vectors of one segment, and whose they are.

    Args:
        vectors: As they are stored.
        starts: int64, shape (texts,), ascending: the first row of each text.
        counts: int64, shape (texts,): how many rows it has; 0 for a text without tokens.
        chunks: For each text, the positions of the chunks that have it.
    """

    vectors: StoredVectors
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    chunks: Sequence[NDArray[np.int64]]


def token_segment(segment: SegmentRows) -> TokenSegment:
    """Returns the texts of a segment: chunks with the same text share its vectors."""
    keys = 2 * segment.rows + (segment.counts > 0)  # a text without tokens stands where the next one begins
    _, first, texts = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(texts, kind="stable")
    edges = np.searchsorted(texts[order], np.arange(1, len(first)))
    chunks = np.split(segment.positions[order], edges)
    return TokenSegment(segment.vectors, segment.rows[first], segment.counts[first], chunks)


@dataclass(frozen=True, slots=True)
class _Block:
    """Neighbouring texts of a segment, as bytes to look through.

    `products` gives the codes' products with a query's codes, int32, shape (query tokens, tokens).
    """

    texts: NDArray[np.int64]  # their numbers over all segments
    starts: NDArray[np.int64]  # within the block
    scales: NDArray[np.float32]  # of each token
    lost: NDArray[np.float32]  # of each text: how far the codes of its tokens are off at most
    longest: float  # the greatest norm of a token
    products: Callable[[NDArray[np.int8]], NDArray[np.int32]]


class MaxSimSearch:
    """Exact MaxSim over every text of an index.

    All texts are scored roughly in bytes, each with a bound on its error; those that may be among the best are scored
    exactly from the stored vectors. So the outcome is that of scoring all of them exactly.

    Args:
        segments: The token vectors of all texts.
        count: How many chunks there are.
        cache_bytes: How much memory the bytes may take; beyond that they are made anew in each search.

    Raises:
        InvalidArgumentError: A value of a stored vector is NaN.
    """

    def __init__(self, segments: Sequence[TokenSegment], count: int, *, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._segments = segments
        self._count = count
        self._of_segment = np.cumsum([0, *(len(segment.starts) for segment in segments)])
        self._chunks = [chunks for segment in segments for chunks in segment.chunks]
        self._texts = np.zeros(count, np.int64)
        for text, chunks in enumerate(self._chunks):
            self._texts[chunks] = text
        size = sum(len(segment.vectors) * segment.vectors.dim for segment in segments)
        self._cached = size <= cache_bytes
        places = [place for number in range(len(segments)) for place in self._places(number)]
        self._blocks: list[Callable[[], _Block]] = list(_in_threads(self._block, places))

    def search(
        self, query: NDArray[np.float32], top_k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns the positions of the best chunks and their scores: score descending, ties by position ascending.

        Args:
            query: float32, shape (query tokens, dim), rows L2-normalised.
            top_k: How many at most.
            allowed: bool, shape (count,): which chunks may be returned. None for all.

        Returns:
            int64 positions, and float32 scores as `maxsim` has them.

        Raises:
            InvalidArgumentError: A value of the query or of a stored vector is NaN.
        """
        wanted = np.zeros(len(self._chunks), np.bool_)
        wanted[self._texts if allowed is None else self._texts[allowed]] = True
        check_scores(query)
        low, high = self._bounds(query)
        low[~wanted], high[~wanted] = NO_TOKENS, NO_TOKENS
        texts = np.flatnonzero(high > NO_TOKENS)
        if len(texts) > top_k:
            least = np.partition(low[texts], -top_k)[-top_k]
            texts = texts[high[texts] >= least]
        return self._best(texts, self.scores(query, texts), top_k, allowed)

    def scores(self, query: NDArray[np.float32], texts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the exact scores of these texts, by ascending number; float32, shape (len(texts),)."""
        scores = np.empty(len(texts), np.float32)
        batches = list(self._batches(texts))
        for (first, last), exact in zip(
            batches, _in_threads(lambda it: self._exact(query, texts[slice(*it)]), batches), strict=True
        ):
            scores[first:last] = exact
        check_scores(scores)
        return scores

    def tokens(self, text: int) -> NDArray[np.float32]:
        """Returns a copy of a text's token vectors, float32, shape (tokens, dim)."""
        number = int(np.searchsorted(self._of_segment, text, "right")) - 1
        segment, place = self._segments[number], text - self._of_segment[number]
        start = int(segment.starts[place])
        return segment.vectors.decode(slice(start, start + int(segment.counts[place])))

    def _best(
        self, texts: NDArray[np.int64], scores: NDArray[np.float32], top_k: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        order = np.argsort(-scores, kind="stable")
        least = scores[order[min(top_k, len(order)) - 1]] if len(order) else 0.0
        kept = texts[scores >= least] if len(order) else texts
        positions = np.concatenate([self._chunks[text] for text in kept] or [np.empty(0, np.int64)])
        values = np.repeat(scores[scores >= least], [len(self._chunks[text]) for text in kept])
        if allowed is not None:
            positions, values = positions[allowed[positions]], values[allowed[positions]]
        ranked = np.lexsort((positions, -values))[:top_k]
        return positions[ranked], values[ranked]

    def _bounds(self, query: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns what each text scores at least and at most, float32, shape (texts,); -inf for one without tokens."""
        codes, scales, lost = quantized(query)
        kept = float(np.linalg.norm(codes * scales[:, None], axis=1).sum())
        missed = float(lost.sum())
        low = np.full(len(self._chunks), NO_TOKENS, np.float32)
        high = low.copy()

        def look(make: Callable[[], _Block]) -> None:
            block = make()
            rough = np.zeros(len(block.texts), np.float32)
            for start in range(0, len(codes), QUERY_RUN):
                run = slice(start, start + QUERY_RUN)
                similarities = block.products(codes[run]) * block.scales
                rough += scales[run] @ np.maximum.reduceat(similarities, block.starts, axis=1)
            error = missed * block.longest + kept * block.lost + FLOAT_SLACK * max(1.0, len(query) / 1_000)
            low[block.texts], high[block.texts] = rough - error, rough + error

        for _ in _in_threads(look, self._blocks):
            pass
        return low, high

    def _exact(self, query: NDArray[np.float32], texts: NDArray[np.int64]) -> NDArray[np.float32]:
        tokens = [self.tokens(int(text)) for text in texts]
        starts = np.cumsum([0, *(len(it) for it in tokens)])[:-1]
        together = np.concatenate(tokens)
        runs = (query[start : start + QUERY_RUN] for start in range(0, len(query), QUERY_RUN))
        scores: NDArray[np.float64] = np.sum([maxsim(run, together, starts) for run in runs], axis=0)
        return scores.astype(np.float32)

    def _batches(self, texts: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Returns runs of texts of about a block's tokens each."""
        counts = np.concatenate([np.zeros(0, np.int64), *(segment.counts for segment in self._segments)])
        return _runs(counts[texts])

    def _places(self, number: int) -> list[tuple[int, NDArray[np.int64]]]:
        """Returns the blocks of a segment: its number, and the places there of the block's texts."""
        filled = np.flatnonzero(self._segments[number].counts)
        return [(number, filled[first:last]) for first, last in _runs(self._segments[number].counts[filled])]

    def _block(self, place: tuple[int, NDArray[np.int64]]) -> Callable[[], _Block]:
        """Returns what gives the block: the same again where it is kept, or one that is made anew."""
        number, texts = place

        def make() -> _Block:
            return _packed(self._segments[number], texts, int(self._of_segment[number]))

        if not self._cached:
            return make
        block = make()
        return lambda: block


def _packed(segment: TokenSegment, texts: NDArray[np.int64], first_text: int) -> _Block:
    import numkong

    counts = segment.counts[texts]
    starts = np.cumsum([0, *counts])[:-1]
    rows = np.repeat(segment.starts[texts] - starts, counts) + np.arange(counts.sum())
    vectors = segment.vectors
    if vectors.format == "int8" and vectors.scales is not None:
        codes, scales = np.ascontiguousarray(vectors.codes[rows], np.int8), vectors.scales[rows]
        check_scores(scales)
        lost = np.zeros(len(texts), np.float32)
        longest = float(np.linalg.norm(codes * scales[:, None], axis=1).max())
    else:
        values = vectors.decode(rows)
        check_scores(values)
        codes, scales, off = quantized(values)
        lost = np.maximum.reduceat(off, starts)
        longest = float(np.linalg.norm(values, axis=1).max())
    packed = numkong.dots_pack(codes, dtype="int8")

    def products(query: NDArray[np.int8]) -> NDArray[np.int32]:
        return np.asarray(numkong.dots_packed(query, packed))

    return _Block(texts + first_text, starts, scales, lost, longest, products)


def _runs(counts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Returns runs (first, last) of neighbouring texts of about BLOCK_TOKENS tokens together, each of one at least."""
    if not len(counts):
        return []
    block = (np.cumsum(counts) - 1) // BLOCK_TOKENS
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(counts)]
    return list(pairwise(edges))


def _in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Returns the function's results in order, computed on all cores: its products leave Python's lock."""
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="lateral-maxsim") as threads:
        return list(threads.map(function, items))

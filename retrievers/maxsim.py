"""Late interaction: exact MaxSim over the token vectors of many texts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .device_tokens import DeviceTokens
from .maxsim_torch import DeviceTexts
from .store import SegmentRows
from .store.formats import StoredVectors
from .threads import in_threads
from .token_blocks import BLOCK_TOKENS, QUERY_RUN, Block, CodedQuery, cut_blocks, make_block, spans
from .top import check_scores

__all__ = ["DEFAULT_CACHE_BYTES", "MaxSimSearch", "TokenSegment", "maxsim", "token_segment"]

DEFAULT_CACHE_BYTES = 1 << 30
GATHER_SHARE = 2  # below a half of all tokens, making blocks of the wanted texts costs less than looking at all
DEVICE_TOKENS = 16  # that a GPU looks at while the CPU looks at one, at least: by their memories' speeds, not measured
NO_ROWS = np.zeros(0, np.int64)


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
    import numkong

    packed = numkong.dots_pack(np.ascontiguousarray(query, np.float32), dtype="float32")
    products = np.asarray(numkong.dots_packed(np.ascontiguousarray(tokens, np.float32), packed))  # sums in float64
    best: NDArray[np.float64] = np.maximum.reduceat(products, starts, axis=0)
    scores: NDArray[np.float64] = best.sum(axis=1)
    return scores


@dataclass(frozen=True, slots=True)
class TokenSegment:
    """The token vectors of one segment, and whose they are.

    Args:
        vectors: As they are stored.
        starts: int64, shape (texts,), ascending: the first row of each text.
        counts: int64, shape (texts,): how many rows it has; 0 for a text without tokens.
        edges: int64, shape (texts + 1,): a text's chunks stand between its edge and the next in `positions`.
        positions: int64, shape (chunks,): the positions of the chunks, those of one text together, ascending.
        file: The segment's name in the catalog, "" for one that is in none.
    """

    vectors: StoredVectors
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    edges: NDArray[np.int64]
    positions: NDArray[np.int64]
    file: str = ""


def token_segment(segment: SegmentRows) -> TokenSegment:
    """Returns the texts of a segment: chunks with the same text share its vectors."""
    keys = 2 * segment.rows + (segment.counts > 0)  # a text without tokens stands where the next one begins
    _, first, texts = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(texts, kind="stable")
    edges = np.searchsorted(texts[order], np.arange(len(first) + 1))
    rows, counts = segment.rows[first], segment.counts[first]
    return TokenSegment(segment.vectors, rows, counts, edges, segment.positions[order], segment.file)


class MaxSimSearch:
    """Exact MaxSim over every text of an index.

    All texts are scored roughly in bytes, each with a bound on its error; those that may be among the best are scored
    exactly from the stored vectors. So the outcome is that of scoring all of them exactly.

    Texts that an accelerator holds are scored roughly there, and in halves. The outcome is the same.

    Texts are numbered through all segments. Threads may share a search.

    Attributes:
        segments: As given.
        counts: int64, shape (texts,): how many tokens each text has.
        firsts: int64, shape (segments + 1,): the number of each segment's first text, and how many texts there are.
        total: How many tokens there are.

    Args:
        segments: The token vectors of all texts.
        count: How many chunks there are.
        cache_bytes: How much memory the bytes may take; beyond that they are gathered anew in each search.
        device: What brings token vectors to an accelerator, at the first search; None where the CPU does all.
    """

    def __init__(
        self,
        segments: Sequence[TokenSegment],
        count: int,
        *,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        device: DeviceTokens | None = None,
    ) -> None:
        self.segments = segments
        self.counts = np.concatenate([NO_ROWS, *(segment.counts for segment in segments)])
        self.firsts = np.cumsum([0, *(len(segment.starts) for segment in segments)])
        self._positions = np.concatenate([NO_ROWS, *(segment.positions for segment in segments)])
        self._edges = np.cumsum(np.concatenate([NO_ROWS, [0], *(np.diff(segment.edges) for segment in segments)]))
        self._texts = np.zeros(count, np.int64)
        self._texts[self._positions] = np.repeat(np.arange(len(self.counts)), np.diff(self._edges))
        self.total = int(self.counts.sum())
        self._filled = np.flatnonzero(self.counts)
        self._cached = sum(len(segment.vectors) * segment.vectors.dim for segment in segments) <= cache_bytes
        self._kept: dict[int, Block] = {}
        self._longest: dict[int, float] = {}  # the greatest norm in each block: it takes a while to find
        self._device = device
        self._on_device: DeviceTexts | None = None

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
        return self.best(self.texts(allowed), query, top_k, allowed)

    def best(
        self, texts: NDArray[np.int64], query: NDArray[np.float32], top_k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns the best chunks of some texts, as `search` does.

        Args:
            texts: Their numbers, ascending; each has a token, and a chunk that is allowed.
            query: As for `search`.
            top_k: As for `search`.
            allowed: As for `search`.
        """
        best, scores = self.best_texts(texts, query, top_k)
        counts = self._edges[best + 1] - self._edges[best]
        positions = self._positions[spans(self._edges[best], counts)]
        values = np.repeat(scores, counts)
        if allowed is not None:
            positions, values = positions[allowed[positions]], values[allowed[positions]]
        ranked = np.lexsort((positions, -values))[:top_k]
        return positions[ranked], values[ranked]

    def best_texts(
        self, texts: NDArray[np.int64], query: NDArray[np.float32], top_k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns the best of some texts, ascending, and their scores: top_k and what ties with the last of them.

        Args:
            texts: Their numbers, ascending; each has a token.
            query: As for `search`.
            top_k: How many at least, if there are as many.

        Raises:
            InvalidArgumentError: A value of the query or of a stored vector is NaN.
        """
        check_scores(query)
        low, high = self._looked(query, texts)
        near = texts[high >= _least(low, top_k)]
        scores = self.scores(query, near)
        best = scores >= _least(scores, top_k)
        return near[best], scores[best]

    def texts(self, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Returns the numbers of the texts with a token, and a chunk that is allowed, ascending."""
        if allowed is None:
            return self._filled
        named = np.zeros(len(self.counts), np.bool_)
        named[self._texts[allowed]] = True
        return np.flatnonzero(named & (self.counts > 0))

    def cpu_tokens(self, texts: NDArray[np.int64]) -> int:
        """Returns how many tokens of some texts, as `texts` returns them, no accelerator holds."""
        held = self._held()
        if texts is self._filled:
            return self.total - (0 if held is None else held.tokens)
        return int(self.counts[texts if held is None else texts[~held.is_held[texts]]].sum())

    def _held(self) -> DeviceTexts | None:
        """Returns the texts that an accelerator holds; None where there is none, which may change."""
        if self._on_device is None and self._device is not None:
            self._on_device = self._device.hold(self.segments)
        return self._on_device

    def _looked(
        self, query: NDArray[np.float32], texts: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns what each of some texts scores at least and at most, float32, shape (len(texts),)."""
        held = self._held()
        cost = self.total if held is None else self.total - held.tokens + held.tokens // DEVICE_TOKENS
        if self.counts[texts].sum() * GATHER_SHARE <= cost:
            return self._bounds(query, self._blocks_of(texts), len(texts))
        found = None if held is None else held.bounds(query)
        there = held.segments if held is not None and found is not None else ()
        low, high = self._bounds(query, self._all_blocks(there), len(self.counts))
        if found is not None:
            at, low[at], high[at] = found
        return low[texts], high[texts]

    def scores(self, query: NDArray[np.float32], texts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the exact scores of some texts, float32, shape (len(texts),).

        Args:
            query: As for `search`.
            texts: Their numbers, ascending; each has a token.

        Raises:
            InvalidArgumentError: A value of the query or of a stored vector is NaN.
        """
        runs = [texts[first:last] for first, last in _runs(self.counts[texts])]
        exact = in_threads(lambda run: self._exact(query, run), runs)
        scores = np.concatenate([np.zeros(0, np.float32), *exact])
        check_scores(scores)
        return scores

    def tokens(self, texts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns a copy of the token vectors of texts, by ascending number; float32, shape (their tokens, dim)."""
        parts = [
            segment.vectors.decode(spans(segment.starts[places], segment.counts[places]))
            for segment, places, _ in self._by_segment(texts)
        ]
        return np.concatenate(parts)

    def _bounds(
        self, query: NDArray[np.float32], blocks: Sequence[Callable[[], Block]], size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns what each text scores at least and at most, float32, shape (size,); -inf for one in no block."""
        low, high = np.full((2, size), -np.inf, np.float32)
        coded = CodedQuery(query)

        def look(make: Callable[[], Block]) -> None:
            block = make()
            low[block.at], high[block.at] = block.bounds(coded)

        in_threads(look, blocks)
        return low, high

    def _all_blocks(self, but: Collection[int]) -> list[Callable[[], Block]]:
        """Returns what gives every block of the index but those of some segments: one that is kept, or a new one."""
        return [partial(self._block, key) for key, (number, _) in enumerate(self._cuts) if number not in but]

    @cached_property
    def _cuts(self) -> list[tuple[int, NDArray[np.int64]]]:
        """Each block's segment, by its number, and the places of its texts there."""
        return [
            (number, places) for number, segment in enumerate(self.segments) for places in cut_blocks(segment.counts)
        ]

    def _block(self, key: int) -> Block:
        if key in self._kept:
            return self._kept[key]
        number, places = self._cuts[key]
        segment = self.segments[number]
        starts, counts = segment.starts[places], segment.counts[places]
        block = make_block(
            segment.vectors,
            starts,
            counts,
            places + self.firsts[number],
            longest=self._longest.get(key),
            lasting=self._cached,
        )
        self._longest[key] = block.longest
        if self._cached:
            self._kept[key] = block
        return block

    def _blocks_of(self, texts: NDArray[np.int64]) -> list[Callable[[], Block]]:
        """Returns what gives the blocks of some texts, whose places are those in the list."""
        return [
            partial(_made, segment, places[cut], at[cut])
            for segment, places, at in self._by_segment(texts)
            for cut in cut_blocks(segment.counts[places])
        ]

    def _by_segment(
        self, texts: NDArray[np.int64]
    ) -> Iterator[tuple[TokenSegment, NDArray[np.int64], NDArray[np.int64]]]:
        """Yields each segment that has some of the texts, their places in it, and their places among the texts."""
        edges = np.searchsorted(texts, self.firsts)
        for number, (start, end) in enumerate(pairwise(edges.tolist())):
            if start < end:
                yield self.segments[number], texts[start:end] - self.firsts[number], np.arange(start, end)

    def _exact(self, query: NDArray[np.float32], texts: NDArray[np.int64]) -> NDArray[np.float32]:
        tokens = self.tokens(texts)
        starts = np.cumsum([0, *self.counts[texts][:-1]])
        runs = (query[start : start + QUERY_RUN] for start in range(0, len(query), QUERY_RUN))
        scores: NDArray[np.float64] = np.sum([maxsim(run, tokens, starts) for run in runs], axis=0)
        return scores.astype(np.float32)


def _made(segment: TokenSegment, places: NDArray[np.int64], at: NDArray[np.int64]) -> Block:
    return make_block(segment.vectors, segment.starts[places], segment.counts[places], at)


def _least(scores: NDArray[np.float32], top_k: int) -> float:
    """Returns the score of the last of the best."""
    return float(np.partition(scores, -top_k)[-top_k]) if len(scores) > top_k else -np.inf


def _runs(counts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Returns runs (first, last) of neighbouring texts of about BLOCK_TOKENS tokens together, each of one at least."""
    if not len(counts):
        return []
    block = (np.cumsum(counts) - 1) // BLOCK_TOKENS
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(counts)]
    return list(pairwise(edges))

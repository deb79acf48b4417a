"""The texts of an index as PLAID sees them: those that have token vectors, each named by its hash."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..maxsim import MaxSimSearch, TokenSegment, token_segment
from ..retriever import VectorSpace
from ..store import Snapshot
from ..token_blocks import spans

__all__ = ["KEY", "IndexedTexts", "Positions", "SomeTexts", "open_texts"]

KEY = np.dtype("S16")  # a text's hash, 16 bytes; numpy drops zeros at the end, which keeps different hashes different
NO_POSITIONS = np.zeros(0, np.int64)

Positions: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]  # of chunks, and their scores


class IndexedTexts:
    """Every text of a snapshot, as exact search numbers them.

    Args:
        search: Exact search over the snapshot's token vectors.
        snapshot: The index.
    """

    def __init__(self, search: MaxSimSearch, snapshot: Snapshot) -> None:
        self.search = search
        self.filled = np.flatnonzero(search.counts)  # a text without tokens matches nothing
        self._positions = np.concatenate([NO_POSITIONS, *(segment.positions for segment in search.segments)])
        counts = [NO_POSITIONS, *(np.diff(segment.edges) for segment in search.segments)]
        self._chunks: NDArray[np.int64] = np.concatenate(counts)  # how many each text has
        self._first = np.cumsum(self._chunks) - self._chunks
        hashes = snapshot.chunk_hashes()[self._positions[self._first]]
        self.keys: NDArray[np.bytes_] = np.ascontiguousarray(hashes).view(KEY).ravel()

    @property
    def tokens(self) -> int:
        """How many token vectors there are."""
        return int(self.search.counts.sum())

    def scored(
        self, query: NDArray[np.float32], texts: NDArray[np.int64], allowed: NDArray[np.bool_] | None
    ) -> Positions:
        """Returns the chunks of some texts, each with its exact score, unranked: `MaxSimSearch.best` bounds them first.

        Args:
            query: float32, shape (query tokens, dim).
            texts: Their numbers, ascending; each has a token.
            allowed: bool, shape (chunks,): which chunks may be returned. None for all.

        Raises:
            InvalidArgumentError: A stored vector has a NaN.
        """
        scores = self.search.scores(query, texts)
        counts = self._chunks[texts]
        positions, values = self._positions[spans(self._first[texts], counts)], np.repeat(scores, counts)
        keep = slice(None) if allowed is None else allowed[positions]
        return positions[keep], values[keep]


def open_texts(snapshot: Snapshot, space: VectorSpace) -> IndexedTexts:
    """Returns the texts of a snapshot; nothing is read of their vectors yet.

    Raises:
        IndexCorruptError: A segment is damaged, or a chunk has no vectors.
    """
    segments = [token_segment(rows) for rows in snapshot.vectors(space)]
    return IndexedTexts(MaxSimSearch(segments, len(snapshot.chunk_ids())), snapshot)


class SomeTexts:
    """Exact search over some of an index's texts, which keeps what it makes of their vectors.

    Args:
        search: Exact search over all of them.
        texts: int64, ascending: the numbers of those that are searched.
    """

    def __init__(self, search: MaxSimSearch, texts: NDArray[np.int64]) -> None:
        edges = np.searchsorted(texts, search.firsts)
        parts = [
            _part(segment, texts[start:end] - first)
            for segment, first, start, end in zip(search.segments, search.firsts, edges, edges[1:], strict=False)
        ]
        self._positions = np.sort(np.concatenate([NO_POSITIONS, *(part.positions for part in parts)]))
        mine = [_moved(part, np.searchsorted(self._positions, part.positions)) for part in parts]
        self._search = MaxSimSearch(mine, len(self._positions))

    def find(self, query: NDArray[np.float32], top_k: int, allowed: NDArray[np.bool_] | None) -> Positions:
        """Returns the positions of the best chunks, among all of the index, and their scores, as `MaxSimSearch`."""
        if not len(self._positions):
            return NO_POSITIONS, np.zeros(0, np.float32)
        mine = None if allowed is None else allowed[self._positions]
        positions, scores = self._search.search(query, top_k, mine)
        return self._positions[positions], scores


def _part(segment: TokenSegment, places: NDArray[np.int64]) -> TokenSegment:
    """Returns the texts at some places of a segment, as a segment."""
    starts = segment.edges[places]
    counts = segment.edges[places + 1] - starts
    edges = np.cumsum(np.concatenate([[0], counts]))
    positions = segment.positions[spans(starts, counts)]
    return TokenSegment(segment.vectors, segment.starts[places], segment.counts[places], edges, positions, segment.file)


def _moved(part: TokenSegment, positions: NDArray[np.int64]) -> TokenSegment:
    return TokenSegment(part.vectors, part.starts, part.counts, part.edges, positions, part.file)

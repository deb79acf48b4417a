"""Texts looked through in bytes: how well each matches a query, with a bound on what bytes lose."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .products import quantized
from .store.formats import LARGEST_CODE, StoredVectors
from .top import check_scores

__all__ = ["BLOCK_TOKENS", "QUERY_RUN", "Block", "CodedQuery", "cut_blocks", "float_slack", "make_block", "spans"]

BLOCK_TOKENS = 8_192  # the products of a block with 32 query tokens take 1 MB: they stay in a core's cache
QUERY_RUN = 128  # query tokens at a time: memory does not grow with the query's length
FILLED = 2  # a block's shortest text has at least 1 in so many of its longest one's tokens
# What rounding adds to sums of products of unit vectors in float32: equal ones a thousand times over are off by 2e-4
# where sums are made of 8 at a time (AVX2).
FLOAT_SLACK = 1e-4
SLACK_TOKENS = 250  # of a query, for which that is enough
NORM_SLACK = 1e-5  # of a norm computed in float32
NO_PRODUCTS = np.empty(0, np.int32)
KEPT_PRODUCTS = 4 * BLOCK_TOKENS * QUERY_RUN  # 16 MB a thread at most, after texts of many thousand tokens

_kept = threading.local()


class CodedQuery:
    """A query as bytes.

    Args:
        query: float32, shape (query tokens, dim), finite.
    """

    def __init__(self, query: NDArray[np.float32]) -> None:
        import numkong

        codes, scales, lost = quantized(query)
        self._runs: list[tuple[Any, NDArray[np.float32]]] = [
            (numkong.dots_pack(codes[start : start + QUERY_RUN], dtype="int8"), scales[start : start + QUERY_RUN])
            for start in range(0, len(codes), QUERY_RUN)
        ]
        self._kept = float(np.linalg.norm(codes * scales[:, None], axis=1).sum())
        self._missed = float(lost.sum())
        self._slack = float_slack(len(query))

    def products(self, codes: NDArray[np.int8]) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float32]]]:
        """Yields the products of tokens with the query's, a run of query tokens at a time.

        Args:
            codes: int8, shape (tokens, dim), C-contiguous.

        Yields:
            int32, shape (tokens, query tokens of the run), overwritten by the thread's next call, and what they are
            multiplied by, float32, shape (query tokens of the run,).
        """
        import numkong

        for packed, scales in self._runs:
            products = _scratch(len(codes), len(scales))
            out = numkong.from_pointer(products.ctypes.data, products.shape, "int32", owner=products)
            numkong.dots_packed(codes, packed, out=out)
            yield products, scales

    def error(self, longest: float, lost: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns how far scores in bytes may be off.

        Args:
            longest: The greatest norm of a token.
            lost: float32, shape (texts,): how far the bytes of a text's tokens are off at most.
        """
        error: NDArray[np.float32] = self._missed * longest + self._kept * lost + self._slack
        return error


def float_slack(tokens: int) -> float:
    """Returns what rounding adds to the score of a query of so many tokens, computed in float32, at most."""
    return FLOAT_SLACK * max(1.0, tokens / SLACK_TOKENS)


def _scratch(rows: int, columns: int) -> NDArray[np.int32]:
    """Returns an array that the thread uses again: to give its memory back and forth takes longer than to fill it."""
    kept: NDArray[np.int32] = getattr(_kept, "products", NO_PRODUCTS)
    if len(kept) < rows * columns:
        kept = np.empty(rows * columns, np.int32)
        if len(kept) <= KEPT_PRODUCTS:
            _kept.products = kept
    return kept[: rows * columns].reshape(rows, columns)


@dataclass(frozen=True, slots=True)
class Block:
    """Some texts, as bytes to look through.

    The texts' first tokens come first, then their second ones, and so on. A text that is shorter than the longest
    repeats its last token: that changes no maximum.

    Args:
        at: int64, shape (texts,): where the texts' scores go.
        codes: int8, shape (tokens of the longest * texts, dim).
        scales: float32, what codes are multiplied by: each text's, shape (texts,), or each token's, shape (tokens of
            the longest * texts,).
        lost: float32, shape (texts,): how far the codes of its tokens are off at most.
        longest: The greatest norm of a token.
    """

    at: NDArray[np.int64]
    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    lost: NDArray[np.float32]
    longest: float

    def bounds(self, query: CodedQuery) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns what each text scores at least and at most, float32, shape (texts,)."""
        texts = len(self.at)
        by_text = len(self.scales) == texts
        rough = np.zeros(texts, np.float32)
        for products, scales in query.products(self.codes):
            if by_text:  # whole numbers of one scale are compared as they are
                best = products.reshape(-1, texts, len(scales)).max(axis=0).astype(np.float32) * self.scales[:, None]
            else:
                similarities = products.astype(np.float32)
                similarities *= self.scales[:, None]
                best = similarities.reshape(-1, texts, len(scales)).max(axis=0)
            rough += best @ scales
        error = query.error(self.longest, self.lost)
        return rough - error, rough + error


def make_block(
    vectors: StoredVectors,
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    at: NDArray[np.int64],
    *,
    longest: float | None = None,
    lasting: bool = False,
) -> Block:
    """Returns texts of a segment as a block.

    Args:
        vectors: The segment's.
        starts: int64, shape (texts,): the first row of each text.
        counts: int64, shape (texts,): how many rows it has, at least one; the longest text comes first.
        at: int64, shape (texts,): where the texts' scores go.
        longest: The greatest norm of a token, where it is known.
        lasting: Whether the block is kept: it then pays to bring bytes to one scale a text, which are compared faster.

    Raises:
        InvalidArgumentError: A value of a stored vector is NaN.
    """
    rows = (starts + np.minimum(np.arange(counts[0])[:, None], counts - 1)).ravel()
    if vectors.format == "int8" and vectors.scales is not None and not lasting:
        codes, scales = np.asarray(vectors.codes).take(rows, axis=0), vectors.scales[rows]
        check_scores(scales)
        lost = np.zeros(len(at), np.float32)
        return Block(at, codes, scales, lost, _longest(codes, scales) if longest is None else longest)
    values = vectors.decode(rows)
    check_scores(values)
    largest = np.abs(values).max(axis=1).reshape(-1, len(at)).max(axis=0)
    codes, scales, lost = quantized(values, np.tile(largest / np.float32(LARGEST_CODE), counts[0]))
    longest = float(np.linalg.norm(values, axis=1).max()) * (1 + NORM_SLACK)
    return Block(at, codes, scales[: len(at)], lost.reshape(-1, len(at)).max(axis=0), longest)


def _longest(codes: NDArray[np.int8], scales: NDArray[np.float32]) -> float:
    """Returns the greatest norm of vectors stored as bytes, or a little more."""
    import numkong

    squares = np.asarray(numkong.dot(codes, codes), np.float32)  # exact: below 2 ** 24 up to 1,000 dimensions
    return float((np.sqrt(squares) * scales).max()) * (1 + NORM_SLACK)


def cut_blocks(counts: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yields the places of texts that make a block together: the longest first, of similar lengths.

    Args:
        counts: int64, shape (texts,): how many tokens each has; those without any are in no block.
    """
    order = np.argsort(-counts, kind="stable")
    ordered = counts[order]
    start, end = 0, int(np.count_nonzero(counts))
    while start < end:
        longest = int(ordered[start])
        similar = int(np.searchsorted(-ordered, -(longest // FILLED), "right"))
        last = min(start + max(BLOCK_TOKENS // longest, 1), max(similar, start + 1), end)
        yield order[start:last]
        start = last


def spans(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the numbers from each start on, as many as its count says, one after the other."""
    ends = np.cumsum(counts)
    rows: NDArray[np.int64] = np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)
    return rows

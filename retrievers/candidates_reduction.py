"""Token vectors of three quarters of their length: enough to tell which texts are worth scoring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .maxsim import TokenSegment
from .store.formats import LARGEST_CODE
from .token_blocks import BLOCK_TOKENS, CodedQuery, spans

__all__ = ["METHOD", "ReducedSegment", "padded_counts", "reduce_segment"]

# Tried on MiniLM's token vectors of 128 dimensions: how many of the 10 best texts of XQuAD (of 240) / Cranfield (of
# 1,398) were among 50. A mean of 8 tokens: 0.90 by Ward's clustering, 0.93 by k-means / -; the nearest of 4,096
# centroids 0.879 / 0.944; signs 0.936 / 0.956; of the dimensions of every token 48 0.981 / 0.964, 64 0.998 / 0.986, 96
# 1.000 / 1.000. Few vectors a text, and coarse ones, lose what late interaction is for. Of 10,000 texts of such tokens
# with noise in all directions, 64 dimensions find 0.917 among 100, 80 0.965, 96 0.998, in 0.70, 0.72, 0.79 of the time
# of all 128.
KEPT = 0.75
LEAST_DIM = 8
SAMPLE_TOKENS = 65_536  # from which a segment's principal directions are computed: 512 for each of 128
PADDED = 8  # a text is filled up by less than 1 in so many of its tokens, so that texts of about one length go together
METHOD = f"{KEPT:g} of the dimensions"


@dataclass(frozen=True, slots=True)
class ReducedSegment:
    """The tokens of a segment's texts along its principal directions, as bytes.

    Texts filled up to equally many tokens, by their last one, make blocks. A block has the first tokens of all its
    texts, then the second ones, and so on.

    Args:
        codes: int8, shape (tokens, kept), block after block.
        starts: int64, shape (texts,): the row of the segment where each text begins, block after block.
        widths: int64, shape (texts,): how many tokens each is filled up to, descending, at least one.
        basis: float32, shape (dim, kept): the directions, orthonormal.
        scale: What every code is multiplied by.
    """

    codes: NDArray[np.int8]
    starts: NDArray[np.int64]
    widths: NDArray[np.int64]
    basis: NDArray[np.float32]
    scale: float

    def scores(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns about what each text scores, float32, shape (texts,): MaxSim along the segment's directions.

        Args:
            query: float32, shape (query tokens, dim), finite.
        """
        coded = CodedQuery(np.ascontiguousarray(query @ self.basis))
        scores = np.zeros(len(self.starts), np.float32)
        row = 0
        for first, last, width in _blocks(self.widths):
            codes = self.codes[row : row + width * (last - first)]
            row += len(codes)
            for products, scales in coded.products(codes):
                best = products.reshape(width, -1).max(axis=0).reshape(last - first, len(scales))
                scores[first:last] += best.astype(np.float32) @ scales
        scores *= self.scale
        return scores


def reduce_segment(segment: TokenSegment) -> ReducedSegment:
    """Returns the texts of a segment along its principal directions, those without tokens apart.

    The directions are the segment's own, so that it can be made when it is written and never changes.

    Source:
        Jolliffe 2002, Principal Component Analysis, section 3.1, of vectors that are not centred: the products count.
    """
    widths = padded_counts(segment.counts)
    order = np.lexsort((segment.starts, -widths))[: np.count_nonzero(segment.counts)]
    starts, counts, widths = segment.starts[order], segment.counts[order], widths[order]
    basis, largest = _directions(segment, starts, counts)
    scale = largest / LARGEST_CODE or 1.0
    codes = np.zeros((int(widths.sum()), basis.shape[1]), np.int8)
    row = 0
    for first, last, width in _blocks(widths):
        rows = (starts[first:last] + np.minimum(np.arange(width)[:, None], counts[first:last] - 1)).ravel()
        values = segment.vectors.decode(rows) @ basis
        codes[row : row + len(rows)] = np.clip(np.rint(values / np.float32(scale)), -LARGEST_CODE, LARGEST_CODE)
        row += len(rows)
    return ReducedSegment(codes, starts, widths, basis, scale)


def padded_counts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns how many tokens texts of so many are filled up to, int64, shape (texts,)."""
    step = np.maximum(2 ** np.floor(np.log2(np.maximum(counts, 1))).astype(np.int64) // PADDED, 1)
    padded: NDArray[np.int64] = -(-counts // step) * step
    return padded


def _directions(
    segment: TokenSegment, starts: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.float32], float]:
    """Returns the principal directions of texts' tokens, the strongest last, and their largest value along them."""
    rows = spans(starts, counts)
    sample = segment.vectors.decode(np.sort(rows[:: max(len(rows) // SAMPLE_TOKENS, 1)]))
    dim = segment.vectors.dim
    _, vectors = np.linalg.eigh(sample.T.astype(np.float64) @ sample)
    basis = vectors[:, dim - min(max(int(dim * KEPT), LEAST_DIM), dim) :].astype(np.float32)
    return basis, float(np.abs(sample @ basis).max(initial=0))


def _blocks(widths: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Yields (first text, behind the last text, width) of each block."""
    edges = [0, *(np.flatnonzero(np.diff(widths)) + 1).tolist(), len(widths)]
    for first, last in pairwise(edges) if len(widths) else ():
        width = int(widths[first])
        size = max(BLOCK_TOKENS // width, 1)
        for start in range(first, last, size):
            yield start, min(start + size, last), width

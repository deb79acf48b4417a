"""Products of one query with all vectors of a segment, as fast as its format allows."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from .store.formats import LARGEST_CODE, StoredVectors
from .threads import in_threads

__all__ = ["Products", "quantized"]

NORM_SLACK = 1e-5  # of a norm computed in float32
BLOCK_ROWS = 16_384  # of halves and signs, decoded to float32 at once: 25 MB at 384 dimensions


class Products:
    """The products of queries with a segment's vectors, with a bound on what they are off.

    Args:
        vectors: The segment's.
    """

    def __init__(self, vectors: StoredVectors) -> None:
        self._vectors = vectors
        self._longest: float | None = None

    def with_query(self, query: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """Returns the products, float32, shape (rows,), and how far one may be from that of the decoded vector.

        Bytes are multiplied as bytes: the query is brought to bytes too, and what it loses by that is the bound.

        Args:
            query: float32, shape (dim,), L2-normalised.
        """
        vectors = self._vectors
        if vectors.format == "float32":
            products: NDArray[np.float32] = vectors.codes @ query
            return products, 0.0
        if vectors.scales is not None:
            codes, scale, lost = quantized(query[None])
            longest = self._longest_norm(vectors.scales)
            return self._of_bytes(codes, float(scale[0]), vectors.scales), float(lost[0]) * longest
        out = np.empty(len(vectors), np.float32)

        def fill(rows: slice) -> None:
            out[rows] = vectors.decode(rows) @ query

        in_threads(fill, _slices(len(vectors), BLOCK_ROWS))
        return out, 0.0

    def _longest_norm(self, scales: NDArray[np.float32]) -> float:
        """Returns the greatest norm of a stored vector: what a query's loss can grow to in a product."""
        if self._longest is None:
            norms = np.zeros(len(scales), np.float32)

            def fill(rows: slice) -> None:
                codes = self._vectors.codes[rows].astype(np.float32)
                norms[rows] = np.sqrt(np.einsum("ij,ij->i", codes, codes)) * scales[rows]

            in_threads(fill, _slices(len(scales), BLOCK_ROWS))
            self._longest = float(norms.max(initial=0)) * (1 + NORM_SLACK)
        return self._longest

    def _of_bytes(self, codes: NDArray[np.int8], scale: float, scales: NDArray[np.float32]) -> NDArray[np.float32]:
        import numkong

        packed = numkong.dots_pack(codes, dtype="int8")
        stored = self._vectors.codes
        out = np.empty(len(stored), np.float32)

        def fill(rows: slice) -> None:
            products = np.asarray(numkong.dots_packed(stored[rows], packed))[:, 0]
            np.multiply(products, scales[rows], out=out[rows], casting="same_kind")
            out[rows] *= np.float32(scale)

        in_threads(fill, _slices(len(stored), max(BLOCK_ROWS, -(-len(stored) // (os.cpu_count() or 1)))))
        return out


def quantized(
    vectors: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """Returns vectors as bytes: codes, the scale of each vector, and the norm of what each has lost.

    Args:
        vectors: float32, shape (rows, dim), finite.
    """
    scales = np.abs(vectors).max(axis=1, initial=0).astype(np.float32) / LARGEST_CODE
    codes = np.rint(vectors / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8)
    lost: NDArray[np.float32] = np.linalg.norm(vectors - codes * scales[:, None], axis=1).astype(np.float32)
    return codes, scales, lost


def _slices(rows: int, block: int) -> list[slice]:
    return [slice(start, min(start + block, rows)) for start in range(0, rows, block)]

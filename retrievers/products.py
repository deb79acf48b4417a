"""Products of one query with all vectors of a segment, as fast as its format allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .store.formats import LARGEST_CODE, StoredVectors
from .threads import CORES, in_threads

__all__ = ["Products", "products_with", "quantized"]

Task: TypeAlias = Callable[[], None]

NORM_SLACK = 1e-5  # of a norm computed in float32
BLOCK_ROWS = 8_192  # of bytes, multiplied at once at least: fewer are done before a thread has begun
BLOCKS_A_CORE = 8  # at most: who begins late, or on a busy core, leaves some to the others
FLOAT_ROWS = 8_192  # multiplied as they are: 12 MB at 384 dimensions
AMX = "sapphireamx"  # numkong's name for CPUs that multiply tiles of bytes
DECODED_ROWS = 256  # of halves and signs, decoded to float32 at once: at 384 dimensions they stay in a core's cache


class Products:
    """The products of queries with a segment's vectors, with a bound on what they are off.

    Args:
        vectors: The segment's.
    """

    def __init__(self, vectors: StoredVectors) -> None:
        self._vectors = vectors
        self._longest: float | None = None

    def __len__(self) -> int:
        return len(self._vectors)

    def start(self, query: NDArray[np.float32], out: NDArray[np.float32], block: int) -> tuple[float, list[Task]]:
        """Returns what the products may be off, and the tasks that fill `out` with them; see `products_with`."""
        vectors = self._vectors
        if vectors.scales is not None:
            codes, scale, lost = quantized(query[None])
            error = float(lost[0]) * self._longest_norm(vectors.scales)
            return error, _of_bytes(vectors.codes, vectors.scales, out, (codes, float(scale[0])), block)

        def fill(rows: slice) -> None:
            _multiply(vectors.codes[rows] if vectors.format == "float32" else _decoded(vectors, rows), query, out[rows])

        together = FLOAT_ROWS if vectors.format == "float32" else DECODED_ROWS
        return 0.0, [partial(fill, rows) for rows in _slices(len(vectors), together)]

    def _longest_norm(self, scales: NDArray[np.float32]) -> float:
        """Returns the greatest norm of a stored vector: what a query's loss can grow to in a product."""
        if self._longest is None:
            norms = np.zeros(len(scales), np.float32)

            def fill(rows: slice) -> None:
                codes = self._vectors.codes[rows].astype(np.float32)
                norms[rows] = np.sqrt(np.einsum("ij,ij->i", codes, codes)) * scales[rows]

            in_threads(fill, _slices(len(scales), DECODED_ROWS))
            self._longest = float(norms.max(initial=0)) * (1 + NORM_SLACK)
        return self._longest


def quantized(
    vectors: NDArray[np.float32], scales: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """Returns vectors as bytes: codes, the scale of each vector, and the norm of what each has lost.

    Args:
        vectors: float32, shape (rows, dim), finite.
        scales: float32, shape (rows,): each vector's greatest value, or a greater one, divided by `LARGEST_CODE`; None
            for the greatest values themselves.
    """
    if scales is None:
        scales = np.abs(vectors).max(axis=1, initial=0).astype(np.float32) / LARGEST_CODE
    codes = np.rint(vectors / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8)
    lost: NDArray[np.float32] = np.linalg.norm(vectors - codes * scales[:, None], axis=1).astype(np.float32)
    return codes, scales, lost


def products_with(query: NDArray[np.float32], segments: Sequence[Products]) -> tuple[NDArray[np.float32], float]:
    """Returns a query's products with the vectors of all segments, and how far one may be from the decoded vector's.

    Bytes are multiplied as bytes: the query is brought to bytes too, and what it loses by that is the bound.

    Args:
        query: float32, shape (dim,), L2-normalised.
        segments: Vectors of its length.

    Returns:
        float32, shape (rows of all segments,), and the bound.
    """
    firsts = [0, *accumulate(map(len, segments))]
    out = np.empty(firsts[-1], np.float32)
    block = max(BLOCK_ROWS, -(-firsts[-1] // (CORES * BLOCKS_A_CORE)))
    started = [
        segment.start(query, out[first:last], block)
        for segment, (first, last) in zip(segments, pairwise(firsts), strict=True)
    ]
    if tasks := [task for _, tasks in started for task in tasks]:
        in_threads(lambda task: task(), tasks)
    return out, max((error for error, _ in started), default=0.0)


def _decoded(vectors: StoredVectors, rows: slice) -> NDArray[np.float32]:
    """Returns what `vectors.decode` does, halves in a quarter of the time that numpy takes: no value is rounded."""
    if vectors.format != "float16":
        return vectors.decode(rows)
    import numkong

    return np.asarray(numkong.astype(vectors.codes[rows], "float32"), np.float32)


def _multiply(rows: NDArray[np.float32], query: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Fills `out` with the product of each row.

    Row by row, which is as fast: for a matrix and a vector BLAS starts threads of its own, which wait busily for 30 ms
    afterwards. Where torch encodes queries its threads waited for them at every layer: 60 ms a query instead of 7.
    """
    np.matmul(rows[:, None], query[:, None], out=out.reshape(-1, 1, 1))


def _of_bytes(
    stored: NDArray[np.int8],
    scales: NDArray[np.float32],
    out: NDArray[np.float32],
    query: tuple[NDArray[np.int8], float],
    block: int,
) -> list[Task]:
    codes, scale = query
    multiplied = _bytes_with(codes)

    def fill(rows: slice) -> None:
        np.multiply(multiplied(stored[rows]), scales[rows], out=out[rows], casting="same_kind")
        out[rows] *= np.float32(scale)

    return [partial(fill, rows) for rows in _slices(len(stored), block)]


def _bytes_with(query: NDArray[np.int8]) -> Callable[[NDArray[np.int8]], NDArray[Any]]:
    """Returns what gives the exact products of stored bytes with a query's, shape (1, dim), by the faster way here.

    The packed product, made for several queries, is as fast as memory on a CPU with AMX. On the other x86, with VNNI
    and without, pairs take half its time (in float64, cdist's own; in integers it packs, too).
    """
    import numkong

    if multiplies_pairs():
        return lambda stored: np.asarray(numkong.cdist(stored, query, "dot"))[:, 0]
    packed = numkong.dots_pack(query, dtype="int8")
    return lambda stored: np.asarray(numkong.dots_packed(stored, packed))[:, 0]


@cache
def multiplies_pairs() -> bool:
    """Returns whether a byte query is sooner multiplied with each vector alone; see `_bytes_with`."""
    import numkong

    has = numkong.get_capabilities()
    return bool(has.get("haswell")) and not has.get(AMX)


def _slices(rows: int, block: int) -> list[slice]:
    return [slice(start, min(start + block, rows)) for start in range(0, rows, block)]

"""How vectors lie in a segment: as they came, halved, as bytes, or as signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgumentError

__all__ = [
    "FORMATS",
    "StoredVectors",
    "VectorFormat",
    "check_format",
    "mean_loss",
    "pack",
    "packed_dtype",
    "packed_shape",
    "take",
    "view_packed",
]

VectorFormat: TypeAlias = Literal["float32", "float16", "int8", "binary"]
FORMATS: tuple[VectorFormat, ...] = get_args(VectorFormat)

LARGEST_CODE = 127  # the code -128 has no counterpart, and is left out
SCALE_BYTES = 4
SIGNS_A_BYTE = 8

_DTYPES: dict[VectorFormat, type[np.generic]] = {
    "float32": np.float32,
    "float16": np.float16,
    "int8": np.int8,
    "binary": np.uint8,
}


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """The vectors of a segment as they are stored.

    Args:
        codes: Shape (rows, dim), or (rows, dim / 8) for signs; memory-mapped and read-only.
        scales: float32, shape (rows,): what a row's codes are multiplied by. None where codes are values.
        format: How they are stored.
        dim: Length of a vector.
    """

    codes: NDArray[Any]
    scales: NDArray[np.float32] | None
    format: VectorFormat
    dim: int

    def __len__(self) -> int:
        return len(self.codes)

    def decode(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """Returns a copy of these rows as they are compared, float32, shape (len(rows), dim)."""
        codes = self.codes[rows]
        if self.format == "binary":
            signs = np.unpackbits(codes, axis=1, count=self.dim).astype(np.float32)
            return (2 * signs - 1) / np.float32(np.sqrt(self.dim))
        values = codes.astype(np.float32)
        return values if self.scales is None else values * self.scales[rows][:, None]


def check_format(value: str, dim: int | None = None) -> VectorFormat:
    """Returns the format if vectors of this length can be stored so.

    Raises:
        InvalidArgumentError: There is no such format, or signs are asked for and dim is no multiple of 8.
    """
    if value not in FORMATS:
        raise InvalidArgumentError(f"vectors are stored as {', '.join(FORMATS)}, got {value!r:.80}")
    if value == "binary" and dim is not None and dim % SIGNS_A_BYTE:
        raise InvalidArgumentError(f"binary vectors need a dimension that is a multiple of 8, got {dim}: use int8")
    return value


def pack(vectors: NDArray[np.float32], form: VectorFormat) -> NDArray[np.generic]:
    """Returns what a segment's file holds, in the shape of `packed_shape`.

    Bytes have a scale for each vector: its largest value becomes 127. The scales lie behind the codes, in rows of the
    same length, so that codes stay aligned.

    Args:
        vectors: float32, shape (rows, dim), finite.
        form: How to store them.

    Raises:
        InvalidArgumentError: A value is too large for the format.
    """
    rows, dim = vectors.shape
    if form == "binary":
        return np.packbits(vectors > 0, axis=1)
    if form != "int8":
        with np.errstate(over="ignore"):
            packed = np.ascontiguousarray(vectors, dtype=_DTYPES[form])
        if not np.isfinite(packed).all():
            raise InvalidArgumentError(f"a vector has values that {form} can't hold: L2-normalise them, or use float32")
        return packed
    scales = np.abs(vectors).max(axis=1, initial=0).astype(np.float32) / LARGEST_CODE
    codes = np.rint(vectors / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8)
    packed = np.zeros(packed_shape(rows, dim, form), np.int8)
    packed[:rows] = codes
    packed[rows:].reshape(-1)[: rows * SCALE_BYTES] = scales.view(np.int8)
    return packed


def packed_shape(rows: int, dim: int, form: VectorFormat) -> tuple[int, int]:
    """Returns the shape of what `pack` makes of so many vectors."""
    if form == "binary":
        return rows, dim // SIGNS_A_BYTE
    return (rows + -(-rows * SCALE_BYTES // dim), dim) if form == "int8" else (rows, dim)


def packed_dtype(form: VectorFormat) -> np.dtype[np.generic]:
    """Returns the type of what `pack` makes."""
    return np.dtype(_DTYPES[form])


def take(parts: Sequence[tuple[StoredVectors, NDArray[np.int64]]], dim: int, form: VectorFormat) -> NDArray[np.generic]:
    """Returns the packed form of some rows of stored vectors, code for code: nothing is lost by it.

    Args:
        parts: Vectors stored in this format, each with the rows to take.
        dim: Length of a vector.
        form: The format.
    """
    rows = sum(len(chosen) for _, chosen in parts)
    packed = np.zeros(packed_shape(rows, dim, form), packed_dtype(form))
    if rows:
        packed[:rows] = np.concatenate([vectors.codes[chosen] for vectors, chosen in parts])
    if form == "int8":
        scales = [vectors.scales[chosen] for vectors, chosen in parts if vectors.scales is not None]
        kept = np.concatenate([np.empty(0, np.float32), *scales])
        packed[rows:].reshape(-1)[: rows * SCALE_BYTES] = kept.view(np.int8)
    return packed


def mean_loss(vectors: NDArray[np.float32], stored: StoredVectors) -> float:
    """Returns 1 minus the mean cosine between vectors and what is stored of them; 0 where there is none.

    Args:
        vectors: float32, shape (rows, dim), as they came.
        stored: The same, stored.
    """
    kept = stored.decode(slice(None))
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(kept, axis=1)
    directed = norms > 0
    if not directed.any():
        return 0.0
    return max(0.0, float(1 - ((vectors * kept).sum(axis=1)[directed] / norms[directed]).mean()))


def view_packed(packed: NDArray[np.generic], rows: int, dim: int, form: VectorFormat) -> StoredVectors:
    """Returns the vectors in what `pack` made, without a copy.

    Args:
        packed: Shape `packed_shape(rows, dim, form)`.
        rows: How many vectors there are.
        dim: Length of a vector.
        form: How they are stored.
    """
    if form != "int8":
        return StoredVectors(packed, None, form, dim)
    scales = packed[rows:].reshape(-1)[: rows * SCALE_BYTES].view(np.float32)
    return StoredVectors(packed[:rows], scales, form, dim)

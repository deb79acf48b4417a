"""Immutable vector segments: one `.npy` file each, written whole, never changed."""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import IndexCorruptError
from .formats import StoredVectors, VectorFormat, mean_loss, pack, packed_dtype, packed_shape, view_packed
from .schema import VECTORS
from .storage import storage_error

__all__ = ["Segment", "fsync_folder", "hash_file", "open_segment", "write_packed", "write_segment"]

HASH_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment file as the catalog names it.

    Args:
        file: File name in the index's `vectors` folder.
        rows: How many vectors it holds.
        bytes: Size of the file.
        sha256: Hash of the file's bytes, as hex.
        loss: 1 minus the mean cosine between the vectors as they came and as they are stored.
    """

    file: str
    rows: int
    bytes: int
    sha256: str
    loss: float = 0.0


def write_segment(index: Path, vectors: NDArray[np.float32], form: VectorFormat = "float32") -> Segment:
    """Returns the description of a new segment whose bytes are on the disk.

    Args:
        index: The index directory.
        vectors: float32, shape (rows, dim).
        form: How to store them.

    Raises:
        StorageError: The disk is full, or the folder can't be written.
    """
    packed = pack(vectors, form)
    rows, dim = vectors.shape
    loss = 0.0 if form == "float32" else mean_loss(vectors, view_packed(packed, rows, dim, form))
    return write_packed(index, packed, rows, loss)


def write_packed(index: Path, packed: NDArray[np.generic], rows: int, loss: float) -> Segment:
    """Returns the same for vectors that are packed; see `pack`.

    Raises:
        StorageError: The disk is full, or the folder can't be written.
    """
    folder = index / VECTORS
    path = folder / f"{uuid.uuid4().hex}.npy"
    try:
        folder.mkdir(exist_ok=True)
        with path.open("xb") as file:
            file.write(_header(packed.shape, packed.dtype))
            # Not by numpy's tofile, which says nothing when the disk is full at its last bytes.
            file.write(np.ascontiguousarray(packed).reshape(-1).view(np.uint8).data)
            file.flush()
            os.fsync(file.fileno())
        fsync_folder(folder)
        fsync_folder(index)
        return Segment(path.name, rows, path.stat().st_size, hash_file(path), loss)
    except OSError as err:
        path.unlink(missing_ok=True)
        raise storage_error(path, err) from err


def open_segment(index: Path, segment: Segment, dim: int, form: VectorFormat = "float32") -> StoredVectors:
    """Returns the segment's vectors, memory-mapped and read-only.

    Raises:
        IndexCorruptError: The file is missing, or its size or shape is not what the catalog says.
        StorageError: It can't be opened for another reason, such as too many open files.
    """
    path = index / VECTORS / segment.file
    shape, dtype = packed_shape(segment.rows, dim, form), packed_dtype(form)
    try:
        if path.stat().st_size != segment.bytes:
            raise ValueError(f"expected {segment.bytes} bytes, found {path.stat().st_size}")
        header = _header(shape, dtype)
        with path.open("rb") as file:
            if file.read(len(header)) != header:
                raise ValueError(f"its header is not that of {dtype.name} {shape}")
        if not segment.rows:  # an empty file can't be mapped
            return view_packed(np.empty(shape, dtype), 0, dim, form)
        # A plain array over the same memory: each operation on a memmap runs Python code of its own.
        packed = np.asarray(np.memmap(path, dtype, "r", len(header), shape))
        return view_packed(packed, segment.rows, dim, form)
    except (FileNotFoundError, ValueError) as err:
        raise IndexCorruptError(f"'{path}' is damaged ({err}): run `lateral verify --repair`") from err
    except OSError as err:
        raise storage_error(path, err, "read") from err


def _header(shape: tuple[int, int], dtype: np.dtype[np.generic]) -> bytes:
    """Returns the only header that a segment of this shape may have.

    It is compared, not parsed: `np.load` parses it as Python, which Python 3.11 can't do in two threads at a time
    (SystemError: AST constructor recursion depth mismatch).
    """
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype.str, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def hash_file(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes, as hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def fsync_folder(folder: Path) -> None:
    """Makes the names in a folder durable: a file's own fsync does not cover its name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

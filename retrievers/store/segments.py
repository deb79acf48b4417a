"""Immutable vector segments: one `.npy` file each, written whole, never changed."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import IndexCorruptError

__all__ = ["Segment", "fsync_folder", "hash_file", "open_segment", "write_segment"]

FOLDER = "vectors"
HASH_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment file as the catalog names it.

    Args:
        file: File name in the index's `vectors` folder.
        rows: How many vectors it holds.
        bytes: Size of the file.
        sha256: Hash of the file's bytes, as hex.
    """

    file: str
    rows: int
    bytes: int
    sha256: str


def write_segment(index: Path, vectors: NDArray[np.float32]) -> Segment:
    """Returns the description of a new segment whose bytes are on the disk.

    Args:
        index: The index directory.
        vectors: float32, shape (rows, dim).
    """
    folder = index / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.npy"
    with path.open("xb") as file:
        np.save(file, np.ascontiguousarray(vectors, dtype=np.float32), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    fsync_folder(folder)
    return Segment(path.name, len(vectors), path.stat().st_size, hash_file(path))


def open_segment(index: Path, segment: Segment, dim: int) -> NDArray[np.float32]:
    """Returns the segment's vectors, memory-mapped and read-only, float32, shape (rows, dim).

    Raises:
        IndexCorruptError: The file is missing, or its size or shape is not what the catalog says.
    """
    path = index / FOLDER / segment.file
    try:
        if path.stat().st_size != segment.bytes:
            raise ValueError(f"expected {segment.bytes} bytes, found {path.stat().st_size}")
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        if vectors.shape != (segment.rows, dim) or vectors.dtype != np.float32:
            raise ValueError(f"expected float32 {(segment.rows, dim)}, found {vectors.dtype} {vectors.shape}")
    except (OSError, ValueError, EOFError) as err:
        raise IndexCorruptError(f"'{path}' is damaged ({err}): run `lateral verify --repair`") from err
    result: NDArray[np.float32] = vectors
    return result


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

"""What the catalog remembers: of the index, of a document, of new vectors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...loaders.node import Metadata
from ..retriever import VectorSpace

__all__ = ["IndexConfig", "NewVectors", "RetrieverConfig", "StoredDocument", "dump_json", "hash_text"]

TEXT_HASH_BYTES = 16


@dataclass(frozen=True, slots=True)
class RetrieverConfig:
    """A retriever that the index serves.

    Args:
        name: The retriever's name, such as "bm25".
        settings: What it is built with again, such as {"model": "all-MiniLM-L6-v2"}.
        space: The space of its vectors, None for one that has no vectors.
    """

    name: str
    settings: Mapping[str, str]
    space: VectorSpace | None = None


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """How an index was made; later commands read it from the catalog.

    Args:
        retrievers: In the order of their fusion.
        chunk_size: Tokens of a chunk at most.
        chunk_overlap: Tokens that neighbouring chunks share at most.
    """

    retrievers: tuple[RetrieverConfig, ...]
    chunk_size: int
    chunk_overlap: int


@dataclass(frozen=True, slots=True, eq=False)
class StoredDocument:
    """A document as the catalog names it. Compared by identity.

    Args:
        id: `document_id(source)`.
        source: Absolute path, or the caller's id.
        content_hash: SHA-256 of the file's bytes, or of a document's text and metadata, as hex.
        stat: (size, mtime_ns, ctime_ns) of the file when it was read, None for a document in memory.
        metadata: The document's own metadata.
        warnings: What could not be read of it, or had to be guessed.
        stale: Why a newer version of the file could not be read, None when this is the newest.
    """

    id: str
    source: str
    content_hash: str
    stat: tuple[int, int, int] | None = None
    metadata: Metadata = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    stale: str | None = None


@dataclass(frozen=True, slots=True)
class NewVectors:
    """Vectors that the index does not hold yet.

    Args:
        space: Where they live, and how they are stored.
        text_hashes: `hash_text` of each encoded text, distinct.
        matrix: float32, shape (vectors, dim): one text's vectors behind the other's.
        cut: For each text, whether the encoder did not read it to its end.
        counts: How many vectors each text has; None for one each.
    """

    space: VectorSpace
    text_hashes: Sequence[bytes]
    matrix: NDArray[np.float32]
    cut: Sequence[bool]
    counts: Sequence[int] | None = None


def hash_text(text: str) -> bytes:
    """Returns the 128-bit hash by which equal texts share one vector."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:TEXT_HASH_BYTES]


def dump_json(value: object) -> str:
    """Returns canonical JSON: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

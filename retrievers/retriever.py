"""The contracts of this floor: what retrieves, and what encodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .hit import Hit

__all__ = ["Encoder", "Retriever", "VectorSpace", "Where"]

Where: TypeAlias = Mapping[str, Any]


@runtime_checkable
class Retriever(Protocol):
    """One verb: a query in, hits out."""

    def retrieve(self, query: str, top_k: int, where: Where | None = None) -> list[Hit]:
        """Returns at most top_k hits, best first, ties by node id; see `lateral.retrievers.filters` for `where`."""
        ...


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """What makes two vectors comparable.

    Args:
        fingerprint: Hash over weights, pooling, normalisation, projection, prompts, maximum length and dimension.
        dim: Length of a vector.
        model: The model's name as the user gave it; recorded, not compared.
    """

    fingerprint: str
    dim: int
    model: str


@runtime_checkable
class Encoder(Protocol):
    """A bi-encoder: one L2-normalised vector a text, queries and documents in one space."""

    @property
    def space(self) -> VectorSpace:
        """The space that its vectors live in."""
        ...

    @property
    def max_tokens(self) -> int:
        """How many tokens of a text it reads, special tokens not counted; the rest is cut."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Returns each text's number of tokens, special tokens not counted, nothing cut."""
        ...

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns document vectors, float32, shape (len(texts), dim), rows L2-normalised."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns query vectors, float32, shape (len(texts), dim), rows L2-normalised."""
        ...

"""The contracts of this floor: what retrieves, and what encodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .hit import Hit

__all__ = ["Encoder", "EncodesAtOnce", "OnDevice", "Retriever", "Side", "TokenEncoder", "VectorSpace", "Where"]

Where: TypeAlias = Mapping[str, Any]
Side: TypeAlias = Literal["query", "document"]


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
        format: How an index stores the vectors, one of `lateral.retrievers.store.formats.FORMATS`; an encoder's own
            are "float32".
    """

    fingerprint: str
    dim: int
    model: str
    format: str = "float32"


@runtime_checkable
class Encoder(Protocol):
    """A bi-encoder: one L2-normalised vector a text, queries and documents in one space.

    Its methods may be called from several threads: documents are encoded in one while others count and ask.
    """

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


@runtime_checkable
class EncodesAtOnce(Protocol):
    """An encoder whose `encode_documents` several threads may call at the same time, and that is done sooner so.

    Optional: any other encoder is called by one thread at a time while indexing. A number below 1 is an
    `InvalidArgumentError` then.
    """

    @property
    def calls_at_once(self) -> int:
        """How many calls, at least 1, leave no core idle while one of them comes to its end."""
        ...


@runtime_checkable
class TokenEncoder(Protocol):
    """A late-interaction encoder: a matrix of L2-normalised token vectors a text, both sides in one space.

    Its methods may be called from several threads, as an `Encoder`'s.
    """

    @property
    def space(self) -> VectorSpace:
        """The space that its vectors live in; `dim` is the length of one token's vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """How many tokens of a document it reads, markers and special tokens not counted; the rest is cut."""
        ...

    @property
    def special_tokens(self) -> frozenset[str]:
        """What `tokens` calls the rows that stand for no part of a text: markers, [CLS], [SEP], [MASK] and the like."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Returns each document's number of tokens, markers and special tokens not counted, nothing cut."""
        ...

    def encode_documents(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Returns a matrix a document, float32, shape (its rows, dim), rows L2-normalised, nothing padded."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Returns a matrix a query, float32, shape (its rows, dim), rows L2-normalised."""
        ...

    def tokens(self, text: str, side: Side) -> list[str]:
        """Returns what each row of the text's matrix stands for, in the model's spelling, such as "##ing"."""
        ...


@runtime_checkable
class OnDevice(Protocol):
    """An encoder that says where it computes: optional, so that its vectors are searched there."""

    @property
    def device(self) -> object:
        """The device or its name, as torch has it, such as "cuda:0"; None as long as that is not known."""
        ...

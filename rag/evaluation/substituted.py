"""Encoders whose vectors come from elsewhere, of documents or of queries; all else is the encoder's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...retrievers.retriever import Encoder, OnDevice, Side, TokenEncoder, VectorSpace

__all__ = ["Encode", "Matrices", "SubstitutedEncoder", "SubstitutedTokenEncoder"]

Matrices: TypeAlias = list[NDArray[np.float32]]  # one a text: for a bi-encoder a row
Encode: TypeAlias = Callable[[Sequence[str]], Matrices]
AnyEncoder = TypeVar("AnyEncoder", bound=Encoder | TokenEncoder)


class _Substituted(Generic[AnyEncoder]):
    """An encoder with another way to the vectors of one side.

    Args:
        encoder: What it stands for.
        side: Whose vectors they are.
        encode: Gives a matrix a text.
    """

    def __init__(self, encoder: AnyEncoder, side: Side, *, encode: Encode) -> None:
        self._encoder = encoder
        self._side = side
        self._encode = encode

    @property
    def space(self) -> VectorSpace:
        """As the encoder's, as is all below."""
        return self._encoder.space

    @property
    def max_tokens(self) -> int:
        """As the encoder's."""
        return self._encoder.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As the encoder's."""
        return self._encoder.count_tokens(texts)


class SubstitutedEncoder(_Substituted[Encoder]):
    """A bi-encoder with another way to the vectors of one side: `encode` gives a matrix of one row a text."""

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns document vectors, float32, shape (len(texts), dim)."""
        return self._stacked(texts) if self._side == "document" else self._encoder.encode_documents(texts)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns query vectors, float32, shape (len(texts), dim)."""
        return self._stacked(texts) if self._side == "query" else self._encoder.encode_queries(texts)

    def _stacked(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.concatenate([*self._encode(texts), np.empty((0, self.space.dim), np.float32)])


class SubstitutedTokenEncoder(_Substituted[TokenEncoder]):
    """A late-interaction encoder with another way to the vectors of one side."""

    @property
    def device(self) -> object:
        """As the encoder's, None where it does not say: its vectors are searched there."""
        return self._encoder.device if isinstance(self._encoder, OnDevice) else None

    @property
    def special_tokens(self) -> frozenset[str]:
        """As the encoder's."""
        return self._encoder.special_tokens

    def encode_documents(self, texts: Sequence[str]) -> Matrices:
        """Returns a matrix a document."""
        return self._encode(texts) if self._side == "document" else self._encoder.encode_documents(texts)

    def encode_queries(self, texts: Sequence[str]) -> Matrices:
        """Returns a matrix a query."""
        return self._encode(texts) if self._side == "query" else self._encoder.encode_queries(texts)

    def tokens(self, text: str, side: Side) -> list[str]:
        """As the encoder's."""
        return self._encoder.tokens(text, side)

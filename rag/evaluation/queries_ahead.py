"""Retrievers whose queries are encoded ahead, many together: for what is judged and not timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...retrievers.bi_encoder import BiEncoderRetriever
from ...retrievers.colbert import ColBERTRetriever
from ...retrievers.indexed import IndexedRetriever
from ...retrievers.retriever import Encoder, Side, TokenEncoder, VectorSpace
from ...retrievers.store import Index

__all__ = ["AskedTwoWays", "QueriesAhead", "TokenQueriesAhead", "ask_two_ways"]

TOGETHER = 64  # queries: by then a batch costs a CPU what its tokens cost, and no longer what starting it does

Vector = TypeVar("Vector")


@dataclass(frozen=True, slots=True)
class AskedTwoWays:
    """Retrievers over one index.

    Args:
        alone: As a search asks them: a query is encoded when it is asked.
        ahead: The same ones, in the same order, with queries encoded ahead.
    """

    alone: Sequence[IndexedRetriever]
    ahead: Sequence[IndexedRetriever]


def ask_two_ways(retrievers: Sequence[IndexedRetriever], index: Index, queries: Iterable[str]) -> AskedTwoWays:
    """Returns retrievers as they are, and with queries encoded ahead.

    Encoding queries together takes a fraction of the time, on a busy machine a small one: a model's threads wait for
    each other at every layer. Vectors differ by rounding at most. A retriever of a kind unknown here stays as it is.

    Args:
        retrievers: They serve the index.
        index: What is searched.
        queries: In the order in which they will be asked.
    """
    texts = list(dict.fromkeys(queries))
    return AskedTwoWays(retrievers, [_ahead(it, index, texts) for it in retrievers])


def _ahead(retriever: IndexedRetriever, index: Index, texts: Sequence[str]) -> IndexedRetriever:
    made: IndexedRetriever
    if type(retriever) is BiEncoderRetriever:
        made = BiEncoderRetriever(encoder=QueriesAhead(retriever.encoder, texts))
    elif type(retriever) is ColBERTRetriever:
        made = ColBERTRetriever(encoder=TokenQueriesAhead(retriever.encoder, texts))
    else:
        return retriever
    made.attach(index)  # how it is searched stands in the index
    return made


class QueriesAhead:
    """A bi-encoder that encodes the queries that follow together with the one that is asked.

    Args:
        encoder: Makes the vectors.
        queries: Each once, in the order in which they will be asked; others are encoded alone.
    """

    def __init__(self, encoder: Encoder, queries: Sequence[str]) -> None:
        self._encoder = encoder
        self._window = _Window(queries, lambda texts: list(encoder.encode_queries(texts)))

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

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As the encoder's."""
        return self._encoder.encode_documents(texts)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns query vectors, made ahead where they could be."""
        rows = [row[None] for row in self._window.get(texts)]
        return np.concatenate([*rows, np.empty((0, self.space.dim), np.float32)])


class TokenQueriesAhead:
    """A late-interaction encoder that encodes the queries that follow together; see `QueriesAhead`.

    Args:
        encoder: Makes the token vectors.
        queries: Each once, in the order in which they will be asked; others are encoded alone.
    """

    def __init__(self, encoder: TokenEncoder, queries: Sequence[str]) -> None:
        self._encoder = encoder
        self._window = _Window(queries, encoder.encode_queries)

    @property
    def space(self) -> VectorSpace:
        """As the encoder's, as is all below."""
        return self._encoder.space

    @property
    def max_tokens(self) -> int:
        """As the encoder's."""
        return self._encoder.max_tokens

    @property
    def special_tokens(self) -> frozenset[str]:
        """As the encoder's."""
        return self._encoder.special_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As the encoder's."""
        return self._encoder.count_tokens(texts)

    def encode_documents(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """As the encoder's."""
        return self._encoder.encode_documents(texts)

    def encode_queries(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Returns a matrix a query, made ahead where it could be."""
        return self._window.get(texts)

    def tokens(self, text: str, side: Side) -> list[str]:
        """As the encoder's."""
        return self._encoder.tokens(text, side)


class _Window(Generic[Vector]):
    """Vectors of the queries that were encoded last; no more are held, whatever there is to ask."""

    def __init__(self, queries: Sequence[str], encode: Callable[[Sequence[str]], list[Vector]]) -> None:
        self._queries = queries
        self._places = {text: at for at, text in enumerate(queries)}
        self._encode = encode
        self._held: Mapping[str, Vector] = {}

    def get(self, texts: Sequence[str]) -> list[Vector]:
        return [self._of(text) for text in texts]

    def _of(self, text: str) -> Vector:
        at = self._places.get(text)
        if at is None:
            return self._encode([text])[0]
        if text not in self._held:
            batch = self._queries[at : at + TOGETHER]
            self._held = dict(zip(batch, self._encode(batch), strict=True))
        return self._held[text]

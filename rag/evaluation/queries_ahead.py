"""Retrievers whose queries are encoded ahead, many together: for what is judged and not timed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...retrievers.bi_encoder import BiEncoderRetriever
from ...retrievers.colbert import ColBERTRetriever
from ...retrievers.indexed import IndexedRetriever
from ...retrievers.retriever import Encoder, TokenEncoder
from ...retrievers.store import Index
from .searching import WARMING, warming_query
from .substituted import Encode, Matrices, SubstitutedEncoder, SubstitutedTokenEncoder

__all__ = ["AskedTwoWays", "ask_two_ways", "queries_ahead", "token_queries_ahead"]

TOGETHER = 64  # queries: by then a batch costs a CPU what its tokens cost, and no longer what starting it does


@dataclass(frozen=True, slots=True)
class AskedTwoWays:
    """Retrievers over one index.

    Args:
        alone: As a search asks them: a query is encoded when it is asked.
        ahead: The same ones, in the same order, with queries encoded ahead.
        warm_up: What the first are asked before, untimed; see `warming_query`.
    """

    alone: Sequence[IndexedRetriever]
    ahead: Sequence[IndexedRetriever]
    warm_up: str = WARMING


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
    return AskedTwoWays(retrievers, [_ahead(it, index, texts) for it in retrievers], warming_query(index, retrievers))


def _ahead(retriever: IndexedRetriever, index: Index, texts: Sequence[str]) -> IndexedRetriever:
    made: IndexedRetriever
    if type(retriever) is BiEncoderRetriever:
        made = BiEncoderRetriever(encoder=queries_ahead(retriever.encoder, texts))
    elif type(retriever) is ColBERTRetriever:
        made = ColBERTRetriever(encoder=token_queries_ahead(retriever.encoder, texts))
    else:
        return retriever
    made.attach(index)  # how it is searched stands in the index
    return made


def queries_ahead(encoder: Encoder, queries: Sequence[str]) -> Encoder:
    """Returns a bi-encoder that encodes the queries that follow together with the one that is asked.

    Args:
        encoder: Makes the vectors.
        queries: Each once, in the order in which they will be asked; others are encoded alone.
    """
    window = _Window(queries, lambda texts: [row[None] for row in encoder.encode_queries(texts)])
    return SubstitutedEncoder(encoder, "query", encode=window.get)


def token_queries_ahead(encoder: TokenEncoder, queries: Sequence[str]) -> TokenEncoder:
    """Returns a late-interaction encoder that encodes the queries that follow together; see `queries_ahead`.

    Args:
        encoder: Makes the token vectors.
        queries: Each once, in the order in which they will be asked; others are encoded alone.
    """
    return SubstitutedTokenEncoder(encoder, "query", encode=_Window(queries, encoder.encode_queries).get)


class _Window:
    """Vectors of the queries that were encoded last; no more are held, whatever there is to ask."""

    def __init__(self, queries: Sequence[str], encode: Encode) -> None:
        self._queries = queries
        self._places = {text: at for at, text in enumerate(queries)}
        self._encode = encode
        self._held: dict[str, NDArray[np.float32]] = {}

    def get(self, texts: Sequence[str]) -> Matrices:
        """Returns a matrix a query, made ahead where it could be."""
        return [self._of(text) for text in texts]

    def _of(self, text: str) -> NDArray[np.float32]:
        at = self._places.get(text)
        if at is None:
            return self._encode([text])[0]
        if text not in self._held:
            batch = self._queries[at : at + TOGETHER]
            self._held = dict(zip(batch, self._encode(batch), strict=True))
        return self._held[text]

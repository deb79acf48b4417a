"""Encoders that note what they encode, and a configuration that searches with them."""

from dataclasses import dataclass

from lateral import RAG
from lateral.rag.evaluation import Configuration
from lateral.retrievers.hash_embedder import HashEmbedder


class NotingEmbedder(HashEmbedder):
    """The hash embedder; it notes documents and queries, batch by batch."""

    def __init__(self, dim=64):
        super().__init__(dim)
        self.documents, self.queries = [], []

    def encode_documents(self, texts):
        self.documents.append(list(texts))
        return super().encode_documents(texts)

    def encode_queries(self, texts):
        self.queries.append(list(texts))
        return super().encode_queries(texts)


class NotingTokens:
    """A late-interaction encoder; it notes documents and queries, batch by batch."""

    space = property(lambda self: self._encoder.space)
    max_tokens = property(lambda self: self._encoder.max_tokens)
    special_tokens = property(lambda self: self._encoder.special_tokens)

    def __init__(self, encoder):
        self._encoder = encoder
        self.documents, self.queries = [], []

    def count_tokens(self, texts):
        return self._encoder.count_tokens(texts)

    def encode_documents(self, texts):
        self.documents.append(list(texts))
        return self._encoder.encode_documents(texts)

    def encode_queries(self, texts):
        self.queries.append(list(texts))
        return self._encoder.encode_queries(texts)

    def tokens(self, text, side):
        return self._encoder.tokens(text, side)


@dataclass(frozen=True, slots=True)
class OwnRetrievers(Configuration):
    """A configuration of retrievers that are objects, made anew for each index."""

    make: object = None

    def open(self, folder, *, generator=None):
        return RAG(folder, retrievers=self.make(), generator=generator)

"""A late-interaction encoder that needs no model."""

import numpy as np
from lateral.retrievers.retriever import VectorSpace

DIM = 16


class WordVectors:
    """A late-interaction encoder without a model: a random unit vector for each word, none for a figure."""

    max_tokens = 1_000
    special_tokens = frozenset()

    def __init__(self, scale=1.0):
        self.scale = scale
        self.space = VectorSpace(f"words-{scale}", DIM, "words")

    def tokens(self, text, side):
        return [word for word in text.lower().split() if not word.isdigit()]

    def count_tokens(self, texts):
        return [len(text.split()) for text in texts]

    def encode_documents(self, texts):
        return [self._matrix(self.tokens(text, "document")) for text in texts]

    encode_queries = encode_documents

    def _matrix(self, words):
        rows = np.empty((len(words), DIM), np.float32)
        for row, word in zip(rows, words, strict=True):
            row[:] = np.random.default_rng(list(word.encode())).standard_normal(DIM)
            row *= self.scale / np.linalg.norm(row)
        return rows

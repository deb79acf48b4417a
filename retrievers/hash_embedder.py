"""An encoder without a model: hashed word counts. For tests, and as the least baseline of dense search."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_positive
from .retriever import VectorSpace

__all__ = ["HashEmbedder"]

WORD = re.compile(r"\w+")
MAX_WORDS = 512  # the length that most real bi-encoders read, so that cutting can be tested
VERSION = 1  # of the hashing: another one makes another space


class HashEmbedder:
    """Bag-of-words vectors by signed hashing: texts that share words have a higher cosine.

    The same in every process and on every machine. Queries and documents are encoded alike.
    A text without words has the zero vector.

    Args:
        dim: Length of a vector, at least 1. Fewer dimensions mean more words that share one.

    Raises:
        InvalidArgumentError: dim is below 1.

    Source:
        Weinberger et al. 2009, Feature hashing for large scale multitask learning, section 2.
    """

    def __init__(self, dim: int = 64) -> None:
        self._dim = check_positive("dim", dim)

    @property
    def space(self) -> VectorSpace:
        """The space of its vectors: it depends on dim alone."""
        return VectorSpace(f"hash-embedder-{VERSION}-{self._dim}", self._dim, f"hash-embedder-{self._dim}")

    @property
    def max_tokens(self) -> int:
        """512: words beyond are cut."""
        return MAX_WORDS

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Returns each text's number of words, nothing cut."""
        return [len(WORD.findall(text.lower())) for text in texts]

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns vectors, float32, shape (len(texts), dim), rows L2-normalised or zero."""
        vectors = np.zeros((len(texts), self._dim), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in WORD.findall(text.lower())[:MAX_WORDS]:
                position, sign = _slot(word, self._dim)
                row[position] += sign
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(norms > 0, norms, 1)
        return vectors

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns vectors, float32, shape (len(texts), dim), rows L2-normalised or zero."""
        return self.encode_documents(texts)


@lru_cache(maxsize=65_536)  # a few MB: the vocabulary of a test corpus
def _slot(word: str, dim: int) -> tuple[int, int]:
    """Returns the word's dimension and sign, from a hash that Python does not salt."""
    number = int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    return (number >> 1) % dim, 1 if number & 1 else -1

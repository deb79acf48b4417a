"""Encoders that encode a document once and remember its vectors in a file: one encoding, stored in many ways."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ...retrievers.retriever import Encoder, Side, TokenEncoder, VectorSpace

__all__ = ["EncodedOnce", "TokensEncodedOnce"]

FLOAT_BYTES = 4


class EncodedOnce:
    """A bi-encoder that encodes each document once; queries are encoded each time, so that they can be timed.

    Args:
        encoder: Makes the vectors.
        folder: Where the file with the vectors is made; it has no name and goes with this object.
    """

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._encoder = encoder
        self._remembered = _Remembered(folder, encoder.space.dim)

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
        """Returns document vectors, from the file where they have been made before."""
        rows = self._remembered.get(texts, lambda new: [row[None] for row in self._encoder.encode_documents(new)])
        return np.concatenate([*rows, np.empty((0, self.space.dim), np.float32)])

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As the encoder's."""
        return self._encoder.encode_queries(texts)


class TokensEncodedOnce:
    """A late-interaction encoder that encodes each document once; see `EncodedOnce`.

    Args:
        encoder: Makes the token vectors.
        folder: Where the file with the vectors is made.
    """

    def __init__(self, encoder: TokenEncoder, folder: Path) -> None:
        self._encoder = encoder
        self._remembered = _Remembered(folder, encoder.space.dim)

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
        """Returns a matrix a document, from the file where it has been made before."""
        return self._remembered.get(texts, self._encoder.encode_documents)

    def encode_queries(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """As the encoder's."""
        return self._encoder.encode_queries(texts)

    def tokens(self, text: str, side: Side) -> list[str]:
        """As the encoder's."""
        return self._encoder.tokens(text, side)


class _Remembered:
    """Matrices by text, in a file without a name: token vectors of a corpus need not fit into memory."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it lives as long as this object
        self._dim = dim
        self._places: dict[bytes, tuple[int, int]] = {}  # by hash of the text: first byte, rows
        self._lock = Lock()

    def get(
        self, texts: Sequence[str], encode: Callable[[Sequence[str]], list[NDArray[np.float32]]]
    ) -> list[NDArray[np.float32]]:
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        with self._lock:
            new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._places}
            for key, matrix in zip(new, encode(list(new.values())) if new else [], strict=True):
                start = self._file.seek(0, os.SEEK_END)
                self._file.write(np.ascontiguousarray(matrix, np.float32).tobytes())
                self._places[key] = (start, len(matrix))
            return [self._read(*self._places[key]) for key in keys]

    def _read(self, start: int, rows: int) -> NDArray[np.float32]:
        self._file.seek(start)
        content = self._file.read(rows * self._dim * FLOAT_BYTES)
        return np.frombuffer(content, np.float32).reshape(rows, self._dim)

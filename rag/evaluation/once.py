"""Encoders that encode a text once and remember its vectors in a file: one encoding, used in many ways."""

from __future__ import annotations

import hashlib
import os
import tempfile
import weakref
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ...retrievers.retriever import Encoder, Side, TokenEncoder
from .substituted import Encode, Matrices, SubstitutedEncoder, SubstitutedTokenEncoder

__all__ = ["encoded_once", "tokens_encoded_once"]

FLOAT_BYTES = 4


def encoded_once(encoder: Encoder, folder: Path, *, side: Side = "document") -> Encoder:
    """Returns a bi-encoder that encodes each text of one side once; those of the other are encoded each time.

    Args:
        encoder: Makes the vectors.
        folder: Where the file with the vectors is made; it has no name and goes with the encoder that is returned.
        side: What is remembered: documents, so that queries can be timed, or queries.
    """
    remembered = _Remembered(folder, encoder.space.dim)
    encode = encoder.encode_queries if side == "query" else encoder.encode_documents
    get = partial(remembered.get, lambda texts: [row[None] for row in encode(texts)])
    return SubstitutedEncoder(encoder, side, encode=get)


def tokens_encoded_once(encoder: TokenEncoder, folder: Path, *, side: Side = "document") -> TokenEncoder:
    """Returns a late-interaction encoder that encodes each text of one side once; see `encoded_once`.

    Args:
        encoder: Makes the token vectors.
        folder: Where the file with the vectors is made.
        side: What is remembered.
    """
    remembered = _Remembered(folder, encoder.space.dim)
    encode = encoder.encode_queries if side == "query" else encoder.encode_documents
    return SubstitutedTokenEncoder(encoder, side, encode=partial(remembered.get, encode))


class _Remembered:
    """Matrices by text, in a file without a name: token vectors of a corpus need not fit into memory."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it lives as long as this object
        weakref.finalize(self, self._file.close)
        self._dim = dim
        self._places: dict[bytes, tuple[int, int]] = {}  # by hash of the text: first byte, rows
        self._lock = Lock()

    def get(self, encode: Encode, texts: Sequence[str]) -> Matrices:
        """Returns a matrix a text; what is new is encoded, each text once, and remembered."""
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

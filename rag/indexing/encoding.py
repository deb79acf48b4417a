"""Texts to vectors for the index, in a thread that works while the next batch is read and cut."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgumentError
from ...retrievers.bi_encoder import check_space
from ...retrievers.indexed import IndexedRetriever
from ...retrievers.retriever import Encoder
from ...retrievers.store import NewVectors, Writer

__all__ = ["ENCODE_BATCH", "EncodingThread", "check_spaces", "encode_missing", "encode_texts", "encoders_of"]

logger = logging.getLogger(__name__)

ENCODE_BATCH = 128  # texts an encoder is handed at once, to sort by length; on a CPU a second until it can be stopped


class EncodingThread:
    """Encodes in a thread of its own, in the order of the calls. `close` ends it after the texts at hand."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="lateral-encoder")
        self._closed = threading.Event()
        self._encoded = 0

    @property
    def encoded(self) -> int:
        """How many texts have been encoded so far."""
        return self._encoded

    def submit(self, encoder: Encoder, texts: Mapping[bytes, str]) -> Future[NewVectors]:
        """Returns what will be the texts' vectors; see `encode_texts` for what it raises.

        Args:
            encoder: Encodes them.
            texts: Texts by their hash.
        """
        return self._executor.submit(encode_texts, encoder, texts, self._count)

    def close(self) -> None:
        """Ends the thread; what waits for its turn is cancelled."""
        self._closed.set()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _count(self, texts: int) -> None:
        self._encoded += texts
        if self._closed.is_set():
            raise CancelledError


def encode_texts(
    encoder: Encoder, texts: Mapping[bytes, str], on_encoded: Callable[[int], None] | None = None
) -> NewVectors:
    """Returns the texts' vectors.

    Args:
        encoder: Encodes them.
        texts: Texts by their hash.
        on_encoded: Told the number of texts of each batch that has been encoded.

    Raises:
        InvalidArgumentError: The encoder gave vectors of another shape than it said, or values that are not finite.
    """
    values = list(texts.values())
    parts = [np.empty((0, encoder.space.dim), np.float32)]
    for start in range(0, len(values), ENCODE_BATCH):
        batch = values[start : start + ENCODE_BATCH]
        parts.append(_checked(encoder, encoder.encode_documents(batch), len(batch)))
        if on_encoded is not None:
            on_encoded(len(batch))
    cut = [count > encoder.max_tokens for count in encoder.count_tokens(values)] if values else []
    if any(cut):
        logger.warning(
            "%d passages are longer than the %d tokens that %s reads: it does not see the rest of them "
            "(an index with a smaller chunk_size cuts nothing)",
            sum(cut),
            encoder.max_tokens,
            encoder.space.model,
        )
    return NewVectors(encoder.space, list(texts), np.concatenate(parts), cut)


def encode_missing(writer: Writer, encoder: Encoder, texts: Mapping[bytes, str]) -> NewVectors:
    """Returns the vectors of those texts that the index holds none of in the encoder's space.

    Args:
        writer: The index's writer.
        encoder: Encodes them.
        texts: Texts by their hash.

    Raises:
        InvalidArgumentError: See `encode_texts`.
    """
    known = writer.known_vectors(encoder.space, list(texts))
    return encode_texts(encoder, {text_hash: text for text_hash, text in texts.items() if text_hash not in known})


def encoders_of(retrievers: Sequence[IndexedRetriever]) -> list[Encoder]:
    """Returns the encoders of the retrievers, one for each vector space."""
    encoders = [retriever.encoder for retriever in retrievers if retriever.encoder is not None]
    return list({encoder.space.fingerprint: encoder for encoder in encoders}.values())


def check_spaces(writer: Writer, retrievers: Sequence[IndexedRetriever]) -> None:
    """Compares the encoders with the index; called once, and only when something is to be encoded: it reads weights.

    Raises:
        EncoderMismatchError: An encoder is not the one that the index's vectors were made with.
    """
    config = writer.config()
    remembered = {it.name: it.space for it in config.retrievers} if config else {}
    for retriever in retrievers:
        space = remembered.get(retriever.name)
        if retriever.encoder is not None and space is not None:
            check_space(retriever.encoder, space)


def _checked(encoder: Encoder, rows: object, count: int) -> NDArray[np.float32]:
    matrix = np.asarray(rows, np.float32)
    if matrix.shape != (count, encoder.space.dim) or not np.isfinite(matrix).all():
        raise InvalidArgumentError(
            f"the encoder {encoder.space.model!r} must give finite vectors of shape {(count, encoder.space.dim)}, "
            f"got {matrix.shape}, finite: {bool(np.isfinite(matrix).all())}"
        )
    return matrix

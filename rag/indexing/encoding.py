"""Texts to vectors for the index, in a thread that works while the next batch is read and cut."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgumentError
from ...retrievers.bi_encoder import check_space
from ...retrievers.indexed import IndexedRetriever, storage_space
from ...retrievers.retriever import Encoder, EncodesAtOnce, TokenEncoder, VectorSpace
from ...retrievers.stopping import heed
from ...retrievers.store import NewVectors, Writer
from ...retrievers.unit_vectors import check_normalised

__all__ = [
    "ENCODE_BATCH",
    "LARGEST_BATCH",
    "EncodingThread",
    "Pace",
    "SpaceEncoder",
    "check_spaces",
    "encode_missing",
    "encode_texts",
    "encoders_of",
]

logger = logging.getLogger(__name__)

ENCODE_BATCH = 64  # texts an encoder is handed at first, to sort by length
LARGEST_BATCH = 512
PACE_SECONDS = 1.0  # a batch takes one or two, as long as Ctrl-C waits for it


@dataclass(frozen=True, slots=True)
class SpaceEncoder:
    """An encoder, and the space and format that the index keeps its vectors in."""

    encoder: Encoder | TokenEncoder
    space: VectorSpace


class Pace:
    """How many texts an encoder is handed at once: as many as take about a second."""

    def __init__(self) -> None:
        self.texts = ENCODE_BATCH
        self.is_known = False

    def told(self, texts: int, seconds: float) -> None:
        """Takes in how long a batch took. It may have been begun before the last one that was told of."""
        self.is_known = True
        if seconds < PACE_SECONDS and texts == self.texts:
            self.texts = min(2 * self.texts, LARGEST_BATCH)
        elif seconds > 2 * PACE_SECONDS and texts >= self.texts:
            self.texts = max(texts // 2, 1)


class EncodingThread:
    """Encodes in a thread of its own, in the order of the calls.

    `close` ends it after the texts at hand, and an export of the model at once.
    """

    def __init__(self) -> None:
        self._closed = threading.Event()
        self._executor = ThreadPoolExecutor(
            1, thread_name_prefix="lateral-encoder", initializer=heed, initargs=(self._closed,)
        )
        self._paces: dict[str, Pace] = {}
        self._encoded = 0

    @property
    def encoded(self) -> int:
        """How many texts have been encoded so far."""
        return self._encoded

    def submit(self, encoder: SpaceEncoder, texts: Mapping[bytes, str]) -> Future[NewVectors]:
        """Returns what will be the texts' vectors; see `encode_texts` for what it raises.

        Args:
            encoder: Encodes them.
            texts: Texts by their hash.
        """
        pace = self._paces.setdefault(encoder.space.fingerprint, Pace())
        return self._executor.submit(encode_texts, encoder, texts, pace, self._count)

    def close(self) -> None:
        """Ends the thread; what waits for its turn is cancelled."""
        self._closed.set()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _count(self, texts: int) -> None:
        self._encoded += texts
        if self._closed.is_set():
            raise CancelledError


def encode_texts(
    encoder: SpaceEncoder,
    texts: Mapping[bytes, str],
    pace: Pace | None = None,
    on_encoded: Callable[[int], None] | None = None,
) -> NewVectors:
    """Returns the texts' vectors. Other threads call the encoder, too, where it is an `EncodesAtOnce`.

    Args:
        encoder: Encodes them.
        texts: Texts by their hash.
        pace: How many texts to hand over at once, and what learns of it.
        on_encoded: Told the number of texts of each batch that has been encoded.

    Raises:
        InvalidArgumentError: The encoder gave vectors of another shape than it said, or values that are not finite, or
            its `calls_at_once` is no number of at least 1.
    """
    values, pace = list(texts.values()), pace or Pace()
    # The longest first: batches of like length hold little padding, and running out of memory shows at once.
    order = sorted(range(len(values)), key=lambda at: -len(values[at]))
    parts: dict[int, NDArray[np.float32]] = {}
    with closing(_encoded(encoder, values, order, pace)) as batches:
        for batch, matrices, seconds in batches:
            pace.told(len(batch), seconds)
            parts.update(zip(batch, matrices, strict=True))
            if on_encoded is not None:
                on_encoded(len(batch))
    matrices = [parts[at] for at in range(len(values))]
    cut = [count > encoder.encoder.max_tokens for count in encoder.encoder.count_tokens(values)] if values else []
    if any(cut):
        logger.warning(
            "%d passages are longer than the %d tokens that %s reads: it does not see the rest of them "
            "(an index with a smaller chunk_size cuts nothing)",
            sum(cut),
            encoder.encoder.max_tokens,
            encoder.space.model,
        )
    vectors = np.concatenate(matrices) if matrices else np.empty((0, encoder.space.dim), np.float32)
    return NewVectors(encoder.space, list(texts), vectors, cut, [len(matrix) for matrix in matrices])


def encode_missing(writer: Writer, encoder: SpaceEncoder, texts: Mapping[bytes, str]) -> NewVectors:
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


def encoders_of(writer: Writer, retrievers: Sequence[IndexedRetriever]) -> list[SpaceEncoder]:
    """Returns the encoders of the retrievers, one for each space and format that the index keeps vectors in."""
    remembered = _remembered(writer)
    found: dict[tuple[str, str], SpaceEncoder] = {}
    for retriever in retrievers:
        space = remembered.get(retriever.name) or storage_space(retriever)
        if retriever.encoder is not None and space is not None:
            found.setdefault((space.fingerprint, space.format), SpaceEncoder(retriever.encoder, space))
    return list(found.values())


def check_spaces(writer: Writer, retrievers: Sequence[IndexedRetriever]) -> None:
    """Compares the encoders with the index; called once, and only when something is to be encoded: it reads weights.

    Raises:
        EncoderMismatchError: An encoder is not the one that the index's vectors were made with.
    """
    remembered = _remembered(writer)
    for retriever in retrievers:
        space = remembered.get(retriever.name)
        if retriever.encoder is not None and space is not None:
            check_space(retriever.encoder, space)


def _remembered(writer: Writer) -> dict[str, VectorSpace | None]:
    config = writer.config()
    return {it.name: it.space for it in config.retrievers} if config else {}


def _encoded(
    encoder: SpaceEncoder, values: Sequence[str], order: Sequence[int], pace: Pace
) -> Generator[tuple[Sequence[int], list[NDArray[np.float32]], float], None, None]:
    """Yields batches as they are done: the places of their texts, each text's vectors, and the seconds that this took.

    Args:
        encoder: Encodes them.
        values: The texts.
        order: Their places, in the order in which they are handed over.
        pace: It is told of a batch before the next one is asked for.
    """
    at_once = _calls_at_once(encoder.encoder)
    most = -(-len(order) // at_once)
    handed = 0
    # The first call loads the model: a second one would wait for it, and begin anew where that is interrupted.
    while handed < len(order) and (at_once == 1 or not pace.is_known):
        batch = order[handed : handed + min(pace.texts, most)]
        handed += len(batch)
        yield batch, *_timed(encoder, [values[at] for at in batch])
    if handed == len(order):
        return
    running: dict[Future[tuple[list[NDArray[np.float32]], float]], Sequence[int]] = {}
    with ThreadPoolExecutor(at_once, thread_name_prefix="lateral-encoder-call") as threads:
        while running or handed < len(order):
            while handed < len(order) and len(running) < at_once:
                batch = order[handed : handed + min(pace.texts, most)]
                handed += len(batch)
                running[threads.submit(_timed, encoder, [values[at] for at in batch])] = batch
            done = next(iter(wait(running, return_when=FIRST_COMPLETED).done))
            yield running.pop(done), *done.result()


def _calls_at_once(encoder: Encoder | TokenEncoder) -> int:
    calls = encoder.calls_at_once if isinstance(encoder, EncodesAtOnce) else 1
    if not isinstance(calls, int) or calls < 1:
        kind = type(encoder).__name__
        raise InvalidArgumentError(f"calls_at_once of the encoder {kind} is {calls!r}, no number of at least 1")
    return calls


def _timed(encoder: SpaceEncoder, texts: list[str]) -> tuple[list[NDArray[np.float32]], float]:
    """Returns each text's vectors, as `_matrices`, and the seconds that this took."""
    start = time.perf_counter()
    return _matrices(encoder, texts), time.perf_counter() - start


def _matrices(encoder: SpaceEncoder, texts: list[str]) -> list[NDArray[np.float32]]:
    """Returns each text's vectors, float32, shape (its vectors, dim).

    Raises:
        InvalidArgumentError: They are not what the encoder says they are.
    """
    dim = encoder.space.dim
    if isinstance(encoder.encoder, TokenEncoder):
        matrices = [np.asarray(matrix, np.float32) for matrix in encoder.encoder.encode_documents(texts)]
    else:
        rows = np.asarray(encoder.encoder.encode_documents(texts), np.float32)
        if rows.shape != (len(texts), dim):
            raise _misshapen(encoder, f"one of shape {rows.shape} for {len(texts)} texts")
        matrices = list(rows[:, None])
    if len(matrices) != len(texts):
        raise _misshapen(encoder, f"{len(matrices)} for {len(texts)} texts")
    for matrix in matrices:
        if matrix.ndim != 2 or matrix.shape[1] != dim or not np.isfinite(matrix).all():
            raise _misshapen(encoder, f"one of shape {matrix.shape}, finite: {bool(np.isfinite(matrix).all())}")
    for block in matrices if isinstance(encoder.encoder, TokenEncoder) else [np.concatenate(matrices)]:
        check_normalised(block, encoder.space.model)
    return matrices


def _misshapen(encoder: SpaceEncoder, what: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"the encoder {encoder.space.model!r} must give finite matrices of {encoder.space.dim} columns, got {what}"
    )

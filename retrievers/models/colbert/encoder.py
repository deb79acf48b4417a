"""A ColBERT encoder: texts to matrices of token vectors, whatever runs the checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ....errors import EncodingError
from ...device_memory import BatchRoom
from ...retriever import Side, VectorSpace
from ..batching import BatchLimit, batches_by_length
from ..folder import ModelFolder
from ..openvino.token_batches import TokenBatch
from ..sentence_transformer import check_texts
from ..turns import Turns
from .checkpoint import ColbertCheckpoint, read_checkpoint
from .tokens import ColbertTokenizer, TokenRow

__all__ = ["ColbertEncoder", "Forward", "LoadedCheckpoint", "Run", "in_turn"]

Forward: TypeAlias = Callable[[TokenBatch, Side], NDArray[np.float32]]
Run: TypeAlias = Callable[[Iterable[TokenBatch], Side], Iterator[NDArray[np.float32]]]

# Measured with a checkpoint of MiniLM's size in bfloat16 on two busy cores, 96 abstracts of 190 tokens, RAGatouille /
# sentence-transformers: batches of 4 texts 69 / 53 a second, 8 111 / 122, 16 133 / 188, 32 129 / 176.
CPU_BATCH = BatchLimit(texts=16, tokens=16 * 256)
# A matrix of 128 dimensions a token comes back: 32,768 tokens are 16 MB beside the activations. Halved where a GPU's
# memory does not hold them.
GPU_BATCH = BatchLimit(texts=512, tokens=32_768)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedCheckpoint:
    """A checkpoint in memory.

    Args:
        run: Batches to their vectors, in order, float32, shape (texts, tokens, dim); rows of padding hold anything, and
            the vectors need not be normalised. Threads may call it at once.
        device: Where it computes, such as "cpu" or "cuda:0".
        dtype: In what.
    """

    run: Run
    device: str
    dtype: str


def in_turn(forward: Forward) -> Run:
    """Returns what runs batches one by one, one thread at a time; see `Turns`.

    Args:
        forward: Computes the vectors of one batch.
    """
    turns, room = Turns(), BatchRoom()

    def in_its_turn(batch: TokenBatch, side: Side) -> NDArray[np.float32]:
        texts, length = batch.inputs["input_ids"].shape
        with turns.turn():
            return room.in_halves(lambda part: forward(batch.rows(part), side), slice(0, texts), length)

    def run(batches: Iterable[TokenBatch], side: Side) -> Iterator[NDArray[np.float32]]:
        """Yields the vectors of each batch, in order; waits for its turn anew at each."""
        for batch in batches:
            yield in_its_turn(batch, side)

    return run


class ColbertEncoder:
    """Text to matrices by a checkpoint in a folder; see `lateral.retrievers.models.colbert.load.load_colbert`.

    Nothing is loaded until the first text is encoded: space, tokens and counts come from the checkpoint's files, and
    the tokens that are encoded are made here, so that every backend encodes the same ones. Safe to share between
    threads.

    A document has a row for each of [CLS], its marker, its tokens but those that the checkpoint filters, and [SEP]; so
    one without a word has three. A query has as many rows as the checkpoint's query length where it fills queries up.

    Args:
        folder: The checkpoint.
        backend: The name of what loads it, for the log.
        load: Loads it; called once.

    Raises:
        ModelNotFoundError: The folder holds no ColBERT checkpoint that can be served.
    """

    def __init__(
        self, folder: ModelFolder, *, backend: str, load: Callable[[ColbertCheckpoint], LoadedCheckpoint]
    ) -> None:
        self.folder = folder
        self.backend = backend
        self.checkpoint = read_checkpoint(folder.path)
        self._load = load
        self._tokenizer = ColbertTokenizer(self.checkpoint)
        self._lock = Lock()
        self._loaded: LoadedCheckpoint | None = None

    @cached_property
    def space(self) -> VectorSpace:
        """The space of its vectors, the same for every backend; the first call reads the weights once to hash them."""
        return self.checkpoint.space(self.folder.name)

    @property
    def device(self) -> str | None:
        """Where it computes, such as "cpu" or "cuda:0"; None before the checkpoint is loaded."""
        loaded = self._loaded
        return None if loaded is None else loaded.device

    @property
    def calls_at_once(self) -> int:
        """See `EncodesAtOnce`: OpenVINO has several batches in flight, what holds the checkpoint in torch has one."""
        return 2 if self.backend == "openvino" else 1

    @property
    def max_tokens(self) -> int:
        """How many tokens of a document it reads, beside special tokens, marker and prompt; the rest is cut."""
        return self._tokenizer.max_tokens

    @property
    def special_tokens(self) -> frozenset[str]:
        """What `tokens` calls the rows that stand for no part of a text."""
        return self._tokenizer.special_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Returns each document's number of tokens, special ones and marker not counted, nothing cut.

        Raises:
            InvalidArgumentError: A text is no string.
        """
        check_texts(texts)
        return self._tokenizer.count(texts)

    def tokens(self, text: str, side: Side) -> list[str]:
        """Returns what each row of the text's matrix stands for, in the model's spelling.

        Raises:
            InvalidArgumentError: The text is no string.
        """
        check_texts([text])
        return self._tokenizer.tokens(text, side)

    def spans(self, text: str, side: Side) -> list[tuple[tuple[int, int], ...]]:
        """Returns where in the text each row of its matrix stands, none for a marker and the like; see `TokenPlacing`.

        Raises:
            InvalidArgumentError: The text is no string.
        """
        check_texts([text])
        return self._tokenizer.spans(text, side)

    def encode_documents(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Returns documents' matrices.

        Args:
            texts: Any number of texts, none included.

        Returns:
            Arrays in the order of the texts, each float32, shape (its rows, dim), rows L2-normalised; nothing padded.

        Raises:
            InvalidArgumentError: A text is no string, or the device is not there.
            EncodingError: The model gave NaN or infinity.
            MissingExtraError: What loads the checkpoint can't be imported.
            ModelNotFoundError: The folder's files can't be loaded.
        """
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Returns queries' matrices: as `encode_documents`, [MASK] filling included as the checkpoint has it."""
        return self._encode(texts, "query")

    def _encode(self, texts: Sequence[str], side: Side) -> list[NDArray[np.float32]]:
        check_texts(texts)
        if not texts:
            return []
        with self._lock:
            loaded = self._loaded = self._loaded or self._loaded_now()
        rows = self._tokenizer.rows(texts, side)
        matrices = [np.zeros((0, self.checkpoint.dim), np.float32) for _ in texts]
        readable = [at for at, row in enumerate(rows) if len(row.ids)]
        limit = CPU_BATCH if loaded.device.startswith("cpu") else GPU_BATCH
        picked = batches_by_length([len(rows[at].ids) for at in readable], limit)
        positions = [[readable[at] for at in batch] for batch in picked]
        for batch, vectors in zip(positions, loaded.run((_padded(rows, at) for at in positions), side), strict=True):
            for at, matrix in zip(batch, vectors, strict=True):
                matrices[at] = _unit_rows(matrix[: len(rows[at].ids)][rows[at].kept], self.folder.name, at)
        return matrices

    def _loaded_now(self) -> LoadedCheckpoint:
        loaded = self._load(self.checkpoint)
        logger.info(
            "ColBERT %s: %s, %s, %s, %s",
            self.folder.name,
            self.backend,
            loaded.device,
            loaded.dtype,
            self.folder.place,
        )
        return loaded


def _padded(rows: Sequence[TokenRow], positions: list[int]) -> TokenBatch:
    """Returns the texts at some positions, filled with 0 on the right, where nothing is attended."""
    lengths = [len(rows[at].ids) for at in positions]
    arrays = [np.zeros((len(positions), max(lengths)), np.int64) for _ in TokenBatch.INPUTS]
    for line, at in enumerate(positions):
        for array, values in zip(arrays, (rows[at].ids, rows[at].attended), strict=False):  # the third stays 0
            array[line, : lengths[line]] = values
    return TokenBatch(positions, lengths, dict(zip(TokenBatch.INPUTS, arrays, strict=True)))


def _unit_rows(vectors: NDArray[np.float32], model: str, text: int) -> NDArray[np.float32]:
    """Returns a copy with rows scaled to length 1, zero rows unchanged.

    Raises:
        EncodingError: A value is NaN or infinite.
    """
    if not np.isfinite(vectors).all():
        raise EncodingError(f"the model {model!r} gave NaN or infinity for text {text}: try dtype='float32'")
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    norms[norms == 0] = 1
    unit: NDArray[np.float32] = vectors / norms
    return unit

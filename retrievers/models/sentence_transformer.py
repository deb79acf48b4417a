"""A bi-encoder of sentence-transformers: loaded at first use, batched by length, normalised in float32."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import EncodingError, InvalidArgumentError, ModelNotFoundError
from ..device_memory import BatchRoom, hint_for
from ..reasons import first_line
from ..retriever import VectorSpace
from .batching import BatchLimit, batches_by_length
from .compute import DType, check_dtype, choose_device, choose_dtype
from .cures import cure_signatures, cure_torchvision
from .fingerprint import fingerprint_folder
from .folder import ModelFolder, ModelLayout, read_layout
from .token_counter import TokenCounter, without_surrogates
from .turns import Turns

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["SentenceTransformerEncoder", "Side", "check_texts", "normalised", "one_at_a_time", "quiet_loading"]

Side: TypeAlias = Literal["query", "document"]

# Measured with all-MiniLM-L6-v2 in bfloat16 on two cores, 200 abstracts of 190 tokens:
# batches of 4 texts 115/s, 8 146/s, 16 158/s, 32 127/s, 64 104/s. Under autocast 100, 138, 114, 115, 96; float32 45.
CPU_BATCH = BatchLimit(texts=16, tokens=16 * 256)
# A GPU wants enough rows to fill it; activations of a large model's widest layer stay near 0.5 GB in 16 bits. Where its
# memory does not hold that, a batch is halved.
GPU_BATCH = BatchLimit(texts=512, tokens=32_768)

logger = logging.getLogger(__name__)
one_at_a_time = Lock()  # of any encoder: what keeps the terminal quiet is set for the whole process


class SentenceTransformerEncoder:
    """Text to vectors by a model in a folder; see `lateral.retrievers.models.load_bi_encoder`.

    Nothing is loaded until the first text is encoded: the space and the token counts come from the model's files.
    Safe to share between threads, which then encode in turn, batch by batch: a query waits for one batch of documents,
    not for all of them.

    Args:
        folder: The model.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the best there is.
        dtype: What to compute in; vectors are float32 always. See `lateral.retrievers.models.compute.choose_dtype`.

    Raises:
        InvalidArgumentError: dtype is none of those offered.
    """

    def __init__(self, folder: ModelFolder, *, device: str | None = None, dtype: DType = "auto") -> None:
        self.folder = folder
        self._device = device
        self._dtype = check_dtype(dtype)
        self._turns = Turns()  # transformers' tokenizer fails when two threads set its cutting and padding
        self._room = BatchRoom()
        self._model: SentenceTransformer | None = None

    @cached_property
    def space(self) -> VectorSpace:
        """The space of its vectors, from the files; the first call reads the weights once to hash them.

        Raises:
            ModelNotFoundError: The folder holds no model that can be read.
        """
        return fingerprint_folder(self.folder.path, model=self.folder.name)

    @property
    def max_tokens(self) -> int:
        """How many tokens of a document it reads, beside special tokens and the document prompt; the rest is cut."""
        return self.counter.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Returns each text's number of tokens, special tokens not counted, nothing cut."""
        return self.counter.count(texts)

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns document vectors.

        Args:
            texts: Any number of texts, none included.

        Returns:
            float32, shape (len(texts), dim), rows L2-normalised; a zero vector stays zero.

        Raises:
            InvalidArgumentError: A text is no string, or the device is not there.
            EncodingError: The model fails on a text, or gave NaN or infinity.
            ModelNotFoundError: The folder's files can't be loaded.
        """
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns query vectors: as `encode_documents`, with the query's prompt and modules."""
        return self._encode(texts, "query")

    @cached_property
    def layout(self) -> ModelLayout:
        """How the model works, from its files.

        Raises:
            ModelNotFoundError: The folder holds no model that can be read.
        """
        return read_layout(self.folder.path)

    @cached_property
    def counter(self) -> TokenCounter:
        """What counts the tokens of documents."""
        return TokenCounter(self.layout)

    def _encode(self, texts: Sequence[str], side: Side) -> NDArray[np.float32]:
        check_texts(texts)
        vectors = np.zeros((len(texts), self.layout.dim), np.float32)
        if not texts:
            return vectors
        with self._turns.turn():
            model = self._model = self._model or self._load()
        readable = [without_surrogates(text) for text in texts]
        lengths = self._lengths(readable) if len(texts) > 1 else [1]
        limit = CPU_BATCH if model.device.type == "cpu" else GPU_BATCH
        for batch in batches_by_length(lengths, limit):
            longest = lengths[batch[0]]
            with self._turns.turn():
                vectors[batch] = self._forward(model, [readable[position] for position in batch], longest, side)
        return normalised(vectors, self.folder.name)

    def _lengths(self, texts: Sequence[str]) -> list[int]:
        limit = self.layout.max_length
        counts = self.counter.count(texts)
        return counts if limit is None else [min(count, limit) for count in counts]

    def _forward(self, model: SentenceTransformer, texts: list[str], longest: int, side: Side) -> NDArray[np.float32]:
        """Returns one batch's vectors, float32, not yet normalised: the model's own step may run in 16 bits.

        The prompt is handed over, so that it is the one that the fingerprint holds in every version of the library.
        """
        import torch
        from sentence_transformers.util import batch_to_device

        prompt = self.layout.query_prompt if side == "query" else self.layout.document_prompt

        def vectors(part: slice) -> NDArray[np.float32]:
            # What `model.encode` does to one batch: its checks take as long as a sixth of encoding a query.
            with torch.inference_mode():
                features = model.preprocess(texts[part], prompt=without_surrogates(prompt), task=side)
                rows = model(batch_to_device(features, model.device), task=side)["sentence_embedding"]
            array: NDArray[np.float32] = rows[:, : self.layout.dim].float().cpu().numpy()
            return array

        try:
            return self._room.in_halves(vectors, slice(0, len(texts)), longest)
        except (RuntimeError, IndexError) as err:  # such as of a setting that goes beyond the model's positions
            raise EncodingError(
                f"the model {self.folder.name!r} can't encode texts of up to {longest} tokens: {first_line(err)}"
            ) from err

    def _load(self) -> SentenceTransformer:
        device = choose_device(self._device)
        dtype = choose_dtype(self._dtype, device)
        cure_torchvision()
        import torch
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer

        try:
            with one_at_a_time, quiet_loading():
                model = SentenceTransformer(
                    str(self.folder.path),
                    device=device,
                    trust_remote_code=False,
                    local_files_only=True,
                    model_kwargs={"dtype": getattr(torch, dtype), "use_safetensors": True},
                )
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as err:
            raise ModelNotFoundError(
                f"{self.folder.path} holds a model that can't be loaded: {first_line(err)}{hint_for(device)}"
            ) from err
        self._check_loaded(model.eval())
        cure_signatures(model)
        logger.info("bi-encoder %s: %s, %s, %s", self.folder.name, device, dtype, self.folder.place)
        return model

    def _check_loaded(self, model: SentenceTransformer) -> None:
        """Makes sure that the model works as its fingerprint says."""
        if model.get_embedding_dimension() != self.layout.dim:
            raise ModelNotFoundError(
                f"the files in {self.folder.path} say that vectors have {self.layout.dim} dimensions, "
                f"and the loaded model makes {model.get_embedding_dimension()}"
            )
        if self.layout.query == self.layout.document and self.layout.max_length not in (None, model.max_seq_length):
            model.max_seq_length = self.layout.max_length


def check_texts(texts: Sequence[str]) -> None:
    """Raises what encoding anything but texts deserves.

    Raises:
        InvalidArgumentError: It is no sequence of strings.
    """
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise InvalidArgumentError("texts must be a sequence of strings")


def normalised(vectors: NDArray[np.float32], model: str) -> NDArray[np.float32]:
    """Returns the same array with rows scaled to length 1, zero rows unchanged.

    Raises:
        EncodingError: A value is NaN or infinite.
    """
    if len(vectors) == 1 and 0 < (square := float(vectors[0] @ vectors[0])) < math.inf:
        vectors /= math.sqrt(square)  # a query: each call into numpy takes long behind a model, which fills the caches
        return vectors
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise EncodingError(f"the model {model!r} gave NaN or infinity for text {row}: try dtype='float32'")
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    norms[norms == 0] = 1
    vectors /= norms
    return vectors


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Keeps transformers' progress bar and its report on unused weights off the terminal; missing weights are shown."""
    from transformers.utils import logging as transformers_logging

    reports = logging.getLogger("transformers.modeling_utils")
    had_progress = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    reports.addFilter(_is_worth_showing)
    try:
        yield
    finally:
        reports.removeFilter(_is_worth_showing)
        if had_progress:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _is_worth_showing(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return "LOAD REPORT" not in text or any(word in text for word in ("MISSING", "MISMATCH", "CONVERSION"))

"""A bi-encoder without torch: tokenizers and OpenVINO encode, with the model's own pooling and normalisation."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ....errors import ModelNotFoundError
from ...retriever import VectorSpace
from ..batching import BatchLimit
from ..fingerprint import file_sha256
from ..folder import ModelFolder, ModelModule
from ..sentence_transformer import SentenceTransformerEncoder, Side, check_texts, normalised
from ..token_counter import without_surrogates
from .export import MANIFEST, MODEL, TOKENIZER, export_transformer
from .quantize import quantized_folder
from .runtime import OpenVINORuntime, Precision, lone_streams, precision_here, stream_count
from .token_batches import LENGTH_STEP, BatchTokenizer
from .vector_head import VectorHead, read_head

__all__ = ["OpenVINOEncoder"]

BATCH = BatchLimit(texts=64, tokens=8 * 256)
QUERY_STEP = 32  # tokens: to prepare another shape takes longer than to compute it
LONE_LENGTHS = (16, 24, 32)  # tokens of a lone query: without bfloat16 24 take a quarter less than 32
LONE_BYTES = 150 << 20  # of weights, such as MiniLM's: each of these lengths has a graph then, which holds them again

PUT_IN_PLACE = 0.1  # seconds, a thousand times what it takes to rename two folders

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Tower:
    """What texts of one side pass through."""

    prompt: str
    prompt_length: int
    tokenizer: BatchTokenizer
    runtime: OpenVINORuntime
    head: VectorHead
    manifest: str  # SHA-256 of what the graph's folder said when it was read


class OpenVINOEncoder:
    """Text to vectors by an exported model; see `lateral.retrievers.models.load_bi_encoder`.

    The same vectors as `SentenceTransformerEncoder` gives, in the same space: within 1e-4 in float32, at a cosine above
    0.999 in bfloat16. The first text to encode exports the model if that was never done (a process of its own does it).
    Safe to share between threads, which encode at the same time.

    Args:
        reference: The same model in torch: it knows the space and counts tokens without loading torch.
        precision: What to compute in, float32 on a CPU without bfloat16; vectors are float32 always.
        fall_back: Whether the reference encodes, and one line is logged, where the model can't be exported or
            compiled.
        quantized: Whether layers multiply 8-bit integers, as `quantize_bi_encoder` has brought them to; what is between
            them is computed in the precision. The vectors' cosine to float32 is that function's to say.
    """

    calls_at_once = 2  # one's last batches leave a stream idle: alone, a tenth more time on two slow cores

    def __init__(
        self,
        reference: SentenceTransformerEncoder,
        *,
        precision: Precision,
        fall_back: bool,
        quantized: bool = False,
    ) -> None:
        self._reference = reference
        self._precision: Precision = precision
        self._fall_back = fall_back
        self._quantized = quantized
        self._starting = Lock()
        self._towers: dict[Side, _Tower] = {}
        self._fallen_back = False

    @property
    def folder(self) -> ModelFolder:
        """The model."""
        return self._reference.folder

    @cached_property
    def space(self) -> VectorSpace:
        """The space of its vectors, from the files; the first call reads the weights once to hash them.

        Raises:
            ModelNotFoundError: The folder holds no model that can be read.
        """
        return self._reference.space

    @property
    def computation(self) -> str | None:
        """What its vectors depend on beside the space, to the last digit; see `Repeatable`. Starts the query's side.

        None where the reference encodes, or may come to where documents have a transformer of their own.

        Raises:
            ModelNotFoundError: As `encode_queries`.
        """
        layout = self._reference.layout
        tower = self._start("query")
        if tower is None or layout.query[0] != layout.document[0]:
            return None
        # It changes with each export, and libraries make new ones.
        shapes = f"{BATCH} {QUERY_STEP} {LONE_LENGTHS} {LONE_BYTES} {lone_streams()} {stream_count()}"
        return f"openvino {tower.manifest} {self._precision} {shapes}"

    @property
    def max_tokens(self) -> int:
        """How many tokens of a document it reads, beside special tokens and the document prompt; the rest is cut."""
        return self._reference.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Returns each text's number of tokens, special tokens not counted, nothing cut."""
        return self._reference.count_tokens(texts)

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns document vectors.

        Args:
            texts: Any number of texts, none included.

        Returns:
            float32, shape (len(texts), dim), rows L2-normalised; a zero vector stays zero.

        Raises:
            InvalidArgumentError: A text is no string.
            EncodingError: The model gave NaN or infinity.
            ModelNotFoundError: The model can't be exported or compiled, and falling back was not allowed or failed.
        """
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns query vectors: as `encode_documents`, with the query's prompt and modules."""
        return self._encode(texts, "query")

    def _encode(self, texts: Sequence[str], side: Side) -> NDArray[np.float32]:
        check_texts(texts)
        vectors = np.zeros((len(texts), self._reference.layout.dim), np.float32)
        if not texts:
            return vectors
        tower = self._start(side)
        if tower is not None:
            try:
                self._fill(vectors, tower, texts)
                return normalised(vectors, self.folder.name)
            except ModelNotFoundError as err:  # a graph that can't be compiled
                with self._starting:
                    self._give_up(err)
        encode = self._reference.encode_queries if side == "query" else self._reference.encode_documents
        return encode(texts)

    def _fill(self, vectors: NDArray[np.float32], tower: _Tower, texts: Sequence[str]) -> None:
        dim = vectors.shape[1]
        prompted = [without_surrogates(tower.prompt + text) for text in texts]
        with closing(tower.runtime.run(tower.tokenizer.batches(prompted, BATCH))) as results:
            for batch, outputs in results:
                tokens = outputs["last_hidden_state"]
                vectors[batch.positions] = tower.head.apply(tokens, batch.lengths, tower.prompt_length)[:, :dim]

    def _start(self, side: Side) -> _Tower | None:
        """Returns what encodes a side, made at its first call; None where the reference encodes instead."""
        with self._starting:
            if side not in self._towers and not self._fallen_back:
                try:
                    self._towers[side] = self._load(side)
                except ModelNotFoundError as err:
                    self._give_up(err)
            return None if self._fallen_back else self._towers[side]

    def _give_up(self, reason: ModelNotFoundError) -> None:
        """Leaves encoding to the reference.

        Raises:
            ModelNotFoundError: The reason, where falling back was not allowed.
        """
        if not self._fall_back:
            raise reason
        if not self._fallen_back:
            logger.warning("bi-encoder %s: sentence-transformers encodes, as %s", self.folder.name, reason)
        self._fallen_back = True

    def _load(self, side: Side) -> _Tower:
        """Returns what encodes a side. Documents come many at a time, and queries one by one."""
        layout = self._reference.layout
        if side == "query":
            tower = self._tower(layout.query, layout.query_prompt, is_lone=True)
        else:
            tower = self._tower(layout.document, layout.document_prompt, is_lone=False)
        if not self._towers:
            between = precision_here(self._precision)
            precision = f"int8 and {between}" if self._quantized else between
            logger.info("bi-encoder %s: cpu, %s, %s, OpenVINO", self.folder.name, precision, self.folder.place)
        return tower

    def _tower(self, modules: Sequence[ModelModule], prompt: str, *, is_lone: bool) -> _Tower:
        transformer = modules[0]
        limit: int | None = transformer.config["max_length"]
        exported = export_transformer(transformer)
        counter = None if prompt else self._reference.counter
        step, lone = (QUERY_STEP, LONE_LENGTHS) if is_lone else (LENGTH_STEP, ())
        tokenizer = BatchTokenizer(
            exported / TOKENIZER, max_length=limit, step=step, lone_lengths=lone, counter=counter
        )
        try:
            runtime, manifest = self._graph(exported, lone, is_lone=is_lone)
        except ModelNotFoundError:  # another process may just put a new one in its place
            time.sleep(PUT_IN_PLACE)
            runtime, manifest = self._graph(exported, lone, is_lone=is_lone)
        prompt = without_surrogates(prompt)
        prompt_length = tokenizer.prompt_length(prompt) if prompt else 0
        return _Tower(prompt, prompt_length, tokenizer, runtime, read_head(modules), manifest)

    def _graph(self, exported: Path, lone_lengths: Sequence[int], *, is_lone: bool) -> tuple[OpenVINORuntime, str]:
        """Returns the graph of an export, or of its quantized form, and the SHA-256 of what its folder says."""
        made = self._quantized_of(exported) if self._quantized else exported
        manifest = _manifest(made)
        runtime = OpenVINORuntime(
            made / MODEL,
            precision=self._precision,
            streams=lone_streams() if is_lone else stream_count(),
            lone_lengths=lone_lengths if _weights(made) <= LONE_BYTES else (),
            manifest=made / MANIFEST,
        )
        if _manifest(made) != manifest:
            raise ModelNotFoundError(f"{made} was replaced while it was read")
        return runtime, manifest

    def _quantized_of(self, exported: Path) -> Path:
        folder = quantized_folder(exported)
        if folder is None:
            raise ModelNotFoundError(
                f"{self.folder.name} is not at hand in int8: bring it there with some of your texts, by "
                "`lateral quantize` on your index or `quantize_bi_encoder`"
            )
        return folder


def _manifest(made: Path) -> str:
    try:
        return file_sha256(made / MANIFEST)
    except OSError as err:
        raise ModelNotFoundError(f"{made} can't be read: {err}") from err


def _weights(made: Path) -> int:
    """Returns the bytes of an export's weights, 0 where they are missing: who reads them says so."""
    try:
        return (made / MODEL).with_suffix(".bin").stat().st_size
    except OSError:
        return 0

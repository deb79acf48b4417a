"""Cross-encoders exported to OpenVINO once, and then run on the CPU without torch."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ....errors import ModelNotFoundError
from ..batching import BatchLimit
from ..folder import TRANSFORMER_CONFIGS, ModelFolder
from ..openvino.export import MODEL, TOKENIZER, Task, export_transformer
from ..openvino.runtime import OpenVINORuntime, Precision, precision_here
from ..openvino.token_batches import BatchTokenizer
from .checkpoint import CrossEncoderCheckpoint
from .pairs import TextPair
from .sentence_transformers import SentenceTransformersPairs, finite

__all__ = ["OpenVINOPairs", "openvino_refusal"]

# Four passages of 256 tokens at a time take as much of the CPU as eight do (of 50 passages 1.00 of it, of 20 0.87). The
# stream that runs out of work waits half as long for the last batch, and half as many shapes are met: each takes some
# milliseconds once.
BATCH = BatchLimit(texts=64, tokens=4 * 256)
TASK: Task = "sequence-classification"
# What a transformer's settings may say; where they say anything else, its input or output is another one.
PLAIN = {
    "transformer_task": TASK,
    "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}},
    "module_output_name": "scores",
}
FREE = ("max_seq_length", "do_lower_case")  # whatever they are, the exported tokenizer follows them

logger = logging.getLogger(__name__)


def openvino_refusal(checkpoint: CrossEncoderCheckpoint) -> str | None:
    """Returns why OpenVINO can't run a checkpoint, None where it can."""
    if len(checkpoint.modules) > 1:
        return f"its score is made by {' and '.join(it.type for it in checkpoint.modules[1:])}"
    if checkpoint.prompt:
        return "it puts a prompt before the query"
    path = next((path for name in TRANSFORMER_CONFIGS if (path := checkpoint.path / name).is_file()), None)
    settings = json.loads(path.read_text(encoding="utf-8")) if path else {}
    for name, value in settings.items():
        if name not in FREE and value and value != PLAIN.get(name):
            return f"its transformer's setting {name} is {str(value)[:80]!r}"
    return None


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What is needed to score."""

    tokenizer: BatchTokenizer
    runtime: OpenVINORuntime


class OpenVINOPairs:
    """A cross-encoder without torch; see `PairScorer`.

    The numbers of `SentenceTransformersPairs`: within 1e-4 in float32. The first pair to score exports the model if
    that was never done. Threads score at the same time.

    Args:
        reference: The same model in torch.
        precision: What to compute in, float32 on a CPU without bfloat16.
        fall_back: Whether the reference scores, and one line is logged, where the model can't be exported.
    """

    def __init__(self, reference: SentenceTransformersPairs, *, precision: Precision, fall_back: bool) -> None:
        self._reference = reference
        self._precision: Precision = precision
        self._fall_back = fall_back
        self._starting = Lock()
        self._loaded: _Loaded | None = None
        self._fallen_back = False

    @property
    def folder(self) -> ModelFolder:
        """The model."""
        return self._reference.folder

    @property
    def checkpoint(self) -> CrossEncoderCheckpoint:
        """What its files say about it."""
        return self._reference.checkpoint

    def logits(self, pairs: Sequence[TextPair]) -> NDArray[np.float32]:
        """Returns a number for each pair; see `PairScorer`."""
        found = np.zeros(len(pairs), np.float32)
        if not pairs:
            return found
        loaded = self._start()
        if loaded is None:
            return self._reference.logits(pairs)
        with closing(loaded.runtime.run(loaded.tokenizer.batches(pairs, BATCH))) as results:
            for batch, outputs in results:
                found[batch.positions] = next(iter(outputs.values())).reshape(len(batch.positions))
        return finite(found, self.folder.name)

    def _start(self) -> _Loaded | None:
        """Returns what scores, made at the first call; None where the reference scores instead."""
        with self._starting:
            if self._loaded is None and not self._fallen_back:
                try:
                    self._loaded = self._load()
                except ModelNotFoundError as err:
                    if not self._fall_back:
                        raise
                    logger.warning("cross-encoder %s: sentence-transformers scores, as %s", self.folder.name, err)
                    self._fallen_back = True
            return self._loaded

    def _load(self) -> _Loaded:
        checkpoint = self.checkpoint
        exported = export_transformer(checkpoint.modules[0], task=TASK)
        tokenizer = BatchTokenizer(exported / TOKENIZER, max_length=checkpoint.max_length)
        runtime = OpenVINORuntime(exported / MODEL, precision=self._precision)
        precision = precision_here(self._precision)
        logger.info("cross-encoder %s: cpu, %s, %s, OpenVINO", self.folder.name, precision, self.folder.place)
        return _Loaded(tokenizer, runtime)

"""Cross-encoders run by sentence-transformers, in torch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....errors import EncodingError
from ...device_memory import BatchRoom
from ..batching import BatchLimit, batches_by_length
from ..colbert.loaded import checked_loading
from ..compute import DType, check_dtype, choose_device, choose_dtype
from ..cures import cure_torchvision
from ..folder import ModelFolder
from ..turns import Turns
from .checkpoint import CrossEncoderCheckpoint
from .pairs import TextPair

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder
    from torch import Tensor

__all__ = ["SentenceTransformersPairs", "finite"]

# On two cores eight pairs of some 230 tokens at a time are the fastest, in float32 and in bfloat16.
CPU_BATCH = BatchLimit(texts=32, tokens=8 * 256)
GPU_BATCH = BatchLimit(texts=512, tokens=32_768)  # as for bi-encoders, and halved as theirs
BYTES_A_TOKEN = 4  # of UTF-8, about so in every script; it only decides what shares a batch

logger = logging.getLogger(__name__)


class SentenceTransformersPairs:
    """The numbers of sentence-transformers' `CrossEncoder`; see `PairScorer`.

    In 16 bits the last layer computes in float32: a number near 8 would have steps of 1/16 otherwise, and many pairs
    the same one. Threads score in turn, batch by batch.

    Args:
        folder: The model.
        checkpoint: What its files say.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the best there is.
        dtype: What to compute in; see `lateral.retrievers.models.compute.choose_dtype`.

    Raises:
        InvalidArgumentError: dtype is none of those offered.
    """

    def __init__(
        self,
        folder: ModelFolder,
        checkpoint: CrossEncoderCheckpoint,
        *,
        device: str | None = None,
        dtype: DType = "auto",
    ) -> None:
        self.folder = folder
        self.checkpoint = checkpoint
        self._device = device
        self._dtype = check_dtype(dtype)
        self._turns = Turns()
        self._room = BatchRoom()
        self._model: CrossEncoder | None = None

    def logits(self, pairs: Sequence[TextPair]) -> NDArray[np.float32]:
        """Returns a number for each pair; see `PairScorer`."""
        found = np.zeros(len(pairs), np.float32)
        if not pairs:
            return found
        with self._turns.turn():
            model = self._model = self._model or self._load()
        limit = CPU_BATCH if model.device.type == "cpu" else GPU_BATCH
        lengths = [self._length(pair) for pair in pairs]
        for batch in batches_by_length(lengths, limit):
            part = [pairs[position] for position in batch]
            with self._turns.turn():
                found[batch] = self._room.in_halves(
                    partial(_forward, model, part), slice(0, len(part)), lengths[batch[0]]
                )
        return finite(found, self.folder.name)

    def _length(self, pair: TextPair) -> int:
        estimated = sum(len(text.encode()) for text in pair) // BYTES_A_TOKEN
        return min(estimated, self.checkpoint.max_length or estimated) + 1

    def _load(self) -> CrossEncoder:
        device = choose_device(self._device)
        dtype = choose_dtype(self._dtype, device)
        cure_torchvision()
        import torch
        from sentence_transformers import CrossEncoder

        with checked_loading(self.checkpoint, device, never_used=()):
            model: CrossEncoder = CrossEncoder(
                str(self.checkpoint.path),
                device=device,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"dtype": getattr(torch, dtype), "use_safetensors": True},
            )
        _score_in_float32(model)
        logger.info("cross-encoder %s: %s, %s, %s", self.folder.name, device, dtype, self.folder.place)
        model.eval()
        return model


def finite(logits: NDArray[np.float32], model: str) -> NDArray[np.float32]:
    """Returns the numbers unchanged.

    Raises:
        EncodingError: One is NaN or infinite.
    """
    if not np.isfinite(logits).all():
        pair = int(np.flatnonzero(~np.isfinite(logits))[0])
        raise EncodingError(f"the cross-encoder {model!r} gave NaN or infinity for pair {pair}: try dtype='float32'")
    return logits


def _forward(model: CrossEncoder, pairs: list[TextPair], part: slice) -> NDArray[np.float32]:
    import torch

    found: Tensor = model.predict(
        pairs[part],
        batch_size=part.stop - part.start,
        show_progress_bar=False,
        activation_fn=torch.nn.Identity(),
        convert_to_tensor=True,
    )
    array: NDArray[np.float32] = found.float().cpu().numpy()
    return array.reshape(part.stop - part.start)


def _score_in_float32(model: CrossEncoder) -> None:
    """Has every layer that gives one number take and give float32, whatever comes before it computes in."""
    import torch

    def widened(_: object, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0].float(), *inputs[1:])

    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and module.out_features == 1:
            module.float().register_forward_pre_hook(widened)

"""The memory of an accelerator: what was let go of, and what it does not hold."""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Callable
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from ..errors import EncodingError
from .reasons import first_line

__all__ = ["BatchRoom", "free_device_memory", "hint_for"]

WITHOUT_GPU = "free its memory, or have the CPU compute by device='cpu' or CUDA_VISIBLE_DEVICES= in the environment"

REMEMBERED = 60.0  # seconds: one try in a minute costs nothing

# How torch's errors say it: CUDA's and XPU's own type, MPS's plain RuntimeError, and cuBLAS and
# cuDNN when a handle or a workspace finds no place.
NO_MEMORY = (
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def free_device_memory() -> None:
    """Gives back to a GPU's driver what models and vectors took that nobody holds any more.

    torch keeps it for itself otherwise, and no other process can have it. Where torch was not loaded, or has computed
    on no GPU, there is nothing to do: it is not loaded for it.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return
    gc.collect()  # a model's parts may refer to each other
    torch.cuda.empty_cache()


def hint_for(device: str) -> str:
    """Returns what to try where a model can't be loaded on a device, behind the reason; nothing for the CPU."""
    return "" if device.startswith("cpu") else f" (on {device}; if the model is not at fault, {WITHOUT_GPU})"


class BatchRoom:
    """What a device has room for: a batch that it does not hold is computed of its halves, of theirs and so on.

    What was refused is remembered for a while: batches as large are not tried whole meanwhile, for each try takes as
    long as computing what does fit. Later they are: others may have let go of what they held.

    Args:
        clock: Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._refused = math.inf  # tokens, padding included: the smallest batch of several texts that found no place
        self._forgotten_at = -math.inf

    def in_halves(
        self, compute: Callable[[slice], NDArray[np.float32]], rows: slice, tokens: int
    ) -> NDArray[np.float32]:
        """Returns what is computed of a batch, or of its parts.

        Args:
            compute: Some of the batch's rows to an array with a line for each, all of one shape.
            rows: Which of them, from start to stop.
            tokens: Of a row, padding included.

        Raises:
            EncodingError: A single row finds no place, either.
            RuntimeError: torch's own, of another kind.
        """
        texts = rows.stop - rows.start
        if texts < 2 or not self._is_refused(texts * tokens):
            try:
                return compute(rows)
            except RuntimeError as err:
                if not any(words in str(err) for words in NO_MEMORY):
                    raise
                if texts < 2:
                    raise EncodingError(
                        f"the device has no room for a single text ({first_line(err)}): {WITHOUT_GPU}"
                    ) from err
            free_device_memory()  # not in the handler: there the traceback still holds what was computed
            self._refused, self._forgotten_at = texts * tokens, self._clock() + REMEMBERED
        middle = (rows.start + rows.stop) // 2
        halves = slice(rows.start, middle), slice(middle, rows.stop)
        return np.concatenate([self.in_halves(compute, half, tokens) for half in halves])

    def _is_refused(self, tokens: int) -> bool:
        return tokens >= self._refused and self._clock() < self._forgotten_at

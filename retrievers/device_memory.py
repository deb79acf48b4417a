"""The memory of an accelerator: what was let go of, and what it does not hold."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import EncodingError

__all__ = ["free_device_memory", "hint_for", "in_halves"]

WITHOUT_GPU = "free its memory, or have the CPU compute by device='cpu' or CUDA_VISIBLE_DEVICES= in the environment"

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


def in_halves(compute: Callable[[slice], NDArray[np.float32]], rows: slice) -> NDArray[np.float32]:
    """Returns what is computed of a batch: of its halves, of theirs and so on, where a GPU does not hold it whole.

    Args:
        compute: Some of the batch's rows to an array with a line for each, all of one shape.
        rows: Which of them, from start to stop.

    Raises:
        EncodingError: A single row finds no place, either.
        RuntimeError: torch's own, of another kind.
    """
    try:
        return compute(rows)
    except RuntimeError as err:
        if not any(words in str(err) for words in NO_MEMORY):
            raise
        if rows.stop - rows.start < 2:
            raise EncodingError(
                f"the device has no room for a single text ({_first_line(err)}): {WITHOUT_GPU}"
            ) from err
    free_device_memory()  # not in the handler: there the traceback still holds what was computed
    middle = (rows.start + rows.stop) // 2
    return np.concatenate([in_halves(compute, half) for half in (slice(rows.start, middle), slice(middle, rows.stop))])


def _first_line(err: RuntimeError) -> str:
    return str(err).strip().partition("\n")[0][:200]

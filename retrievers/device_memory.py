"""Memory of an accelerator that was let go of."""

from __future__ import annotations

import gc
import sys

__all__ = ["free_device_memory"]


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

"""Which of an index's token vectors are in an accelerator's memory: those that fit, as long as the index has them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from .device_vectors import DeviceVectors, device_bytes, load_vectors
from .maxsim_torch import DEVICE_ERRORS, DeviceTexts
from .reasons import first_line
from .retriever import OnDevice

if TYPE_CHECKING:
    from .maxsim import TokenSegment

__all__ = ["DeviceTokens", "accelerator"]

logger = logging.getLogger(__name__)

SHARE = 0.5  # of the memory that is free: the encoder needs some for its batches


def accelerator(encoder: object) -> str | None:
    """Returns where the vectors of an encoder are searched: on its own GPU, if it computes on one; None for the CPU.

    A GPU is what torch calls "cuda": NVIDIA's and AMD's. Apple's is left out: how it rounds is not documented. torch is
    not loaded for it: an encoder that has not loaded torch computes without.

    Args:
        encoder: Of any kind.
    """
    device = str(encoder.device) if isinstance(encoder, OnDevice) else ""
    return device if device.startswith("cuda") and "torch" in sys.modules else None


class DeviceTokens:
    """The token vectors of an index in an accelerator's memory.

    A segment never changes: what is there serves the next generation of the index too, and what that has no more is let
    go. The CPU keeps the segments that don't fit, which is said once, and those with a vector that is not finite or far
    from length 1. Where the device fails, or torch is set to add up halves in halves, the CPU has all. Threads may
    share it.

    Args:
        device: Returns the device's name as torch has it, None for none; asked at each search.
        limit_bytes: How much memory the vectors may take. None: half of what is free but for them.
    """

    def __init__(self, device: Callable[[], str | None], *, limit_bytes: int | None = None) -> None:
        self._device = device
        self._limit = limit_bytes
        self._held: dict[str, DeviceVectors | None] = {}  # by the segment's file; None for one the CPU keeps
        self._said: set[str] = set()
        self._lock = Lock()

    @property
    def bytes(self) -> int:
        """How much of the device's memory the vectors take."""
        return sum(it.bytes for it in self._held.values() if it is not None)

    def hold(self, segments: Sequence[TokenSegment]) -> DeviceTexts | None:
        """Returns the texts that are on the device now; None where there is no device.

        Args:
            segments: All of the index.
        """
        device = self._device()
        if device is None or _adds_in_halves():
            return None
        fail = partial(self._fail, device)
        with self._lock:
            held = self._held  # a search that fails puts an empty one in its place, whenever that is
            self._held = {it.file: held[it.file] for it in segments if it.file in held}
            try:
                brought = self._brought(segments, device)
                return DeviceTexts(device, list(zip(segments, brought, strict=True)), fail)
            except DEVICE_ERRORS as err:
                fail(err)
                return DeviceTexts(device, [(segment, None) for segment in segments], fail)

    def let_go(self) -> None:
        """Keeps no vectors any more: their memory is free once the searches over them are gone."""
        self._held = {}

    def _brought(self, segments: Sequence[TokenSegment], device: str) -> list[DeviceVectors | None]:
        """Returns each segment's vectors on the device, None for one that the CPU keeps."""
        room = self._room(device)
        brought: list[DeviceVectors | None] = []
        left = 0
        held = self._held
        for segment in segments:
            if segment.file in held:
                brought.append(held[segment.file])
                continue
            if device_bytes(segment.vectors) > room:
                left += len(segment.vectors)
                brought.append(None)
                continue
            vectors = load_vectors(segment.vectors, device)
            room -= 0 if vectors is None else vectors.bytes
            brought.append(vectors)
            if segment.file:
                held[segment.file] = vectors
        if left:
            self._say("%s has no room for %d of the index's token vectors: the CPU searches these", device, left)
        return brought

    def _room(self, device: str) -> float:
        """Returns how many bytes more the vectors may take."""
        if self._limit is not None:
            return self._limit - self.bytes
        if not device.startswith("cuda"):
            return np.inf
        import torch

        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch's, and in no use
        return SHARE * (torch.cuda.mem_get_info(device)[0] + idle + self.bytes) - self.bytes

    def _fail(self, device: str, err: Exception) -> None:
        self._held = {}
        self._say("search on %s failed, the CPU searches: %s", device, first_line(err))

    def _say(self, message: str, *values: object) -> None:
        """Logs a message, each once."""
        if message not in self._said:
            self._said.add(message)
            logger.warning(message, *values)


def _adds_in_halves() -> bool:
    """Returns whether torch is set to lose more of a product of halves than the bounds allow for."""
    import torch

    return bool(getattr(torch.backends.cuda.matmul, "allow_fp16_accumulation", False))

"""MaxSim on an accelerator: torch looks through texts in halves, and tells what each scores at least and at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .device_vectors import LONGEST, STEP_TOKENS, DeviceQuery, DeviceVectors

if TYPE_CHECKING:
    from torch import Tensor

    from .maxsim import TokenSegment

__all__ = ["DEVICE_ERRORS", "DeviceTexts"]

DEVICE_ERRORS = (RuntimeError, AssertionError)  # torch's: too little memory, a device that fails, one that is not there

Bounds: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class _Step:
    """Texts that are looked through at once, and the rows between them that are no text's any more.

    Args:
        rows: All of these.
        edges: int64: where each of them begins among the rows, and where the last ends.
        texts: int64, shape (texts,): which of them are the texts.
    """

    rows: slice
    edges: Tensor
    texts: Tensor


class DeviceTexts:
    """The texts of one generation of an index that an accelerator looks through; none after it has failed.

    Attributes:
        segments: The numbers of the segments that they are in.
        tokens: How many tokens they have.
        is_held: bool, shape (texts of the index,): whether a text is one of them.

    Args:
        device: The device's name, as torch has it.
        segments: Each of the index, with its vectors on the device, or None where they are not there.
        fail: What to call with the error when the device fails.

    Raises:
        RuntimeError: The device has too little memory, or fails.
    """

    def __init__(
        self,
        device: str,
        segments: Sequence[tuple[TokenSegment, DeviceVectors | None]],
        fail: Callable[[Exception], None],
    ) -> None:
        self._device = device
        self._fail = fail
        self._lock = Lock()  # one query at a time: another beside it would take memory, and gain nothing
        held = [(segment.counts > 0) & (vectors is not None) for segment, vectors in segments]
        self.is_held = np.concatenate([np.zeros(0, np.bool_), *held])
        self.segments = frozenset(number for number, (_, vectors) in enumerate(segments) if vectors is not None)
        self.tokens = sum(int(segment.counts.sum()) for segment, vectors in segments if vectors is not None)
        self._numbers = np.flatnonzero(self.is_held)
        self._parts = [
            (vectors, list(_steps(segment, device)), np.count_nonzero(segment.counts))
            for segment, vectors in segments
            if vectors is not None
        ]

    def bounds(self, query: NDArray[np.float32]) -> Bounds | None:
        """Returns the numbers of the texts, and what each scores at least and at most; None where the CPU has to look.

        Args:
            query: float32, shape (query tokens, dim), finite.

        Returns:
            int64, ascending, and float32, each of shape (texts that are held,).
        """
        if np.linalg.norm(query, axis=1).max(initial=0) > LONGEST:
            return None
        with self._lock:
            if not len(self._numbers):
                return None
            try:
                rough, error = self._rough(query)
            except DEVICE_ERRORS as err:
                self._let_go()
                self._fail(err)
                return None
            return self._numbers, rough - error, rough + error

    def _rough(self, query: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns about what each text scores, and how far that may be off."""
        import torch

        with torch.inference_mode():
            asked = DeviceQuery(query, self._device)
            sums = [_sums(vectors, step, asked) for vectors, steps, _ in self._parts for step in steps]
            rough: NDArray[np.float32] = torch.cat(sums).cpu().numpy()
        if not np.isfinite(rough).all():
            raise RuntimeError("it gave NaN or infinity for finite vectors")
        errors = np.array([asked.error(vectors) for vectors, _, _ in self._parts], np.float32)
        return rough, np.repeat(errors, [texts for _, _, texts in self._parts])

    def _let_go(self) -> None:
        self.is_held = np.zeros_like(self.is_held)
        self.segments = frozenset()
        self.tokens = 0
        self._numbers = np.flatnonzero(self.is_held)
        self._parts = []


def _sums(vectors: DeviceVectors, step: _Step, query: DeviceQuery) -> Tensor:
    """Returns about what each text of a step scores: float32, shape (texts,), on the device."""
    import torch

    runs = []
    for run in query.runs:
        products = vectors.products(step.rows, run)
        best = torch.segment_reduce(products, "max", offsets=step.edges, axis=0)  # of no rows: -inf
        runs.append(best[step.texts].sum(dim=1, dtype=torch.float32))
    return torch.stack(runs).sum(dim=0) * vectors.scale


def _steps(segment: TokenSegment, device: str) -> Iterator[_Step]:
    """Yields a segment's texts in steps of about STEP_TOKENS rows, each of one text at least."""
    import torch

    filled = np.flatnonzero(segment.counts)
    starts = segment.starts[filled]
    ends = starts + segment.counts[filled]
    cuts = np.flatnonzero(np.diff(ends // STEP_TOKENS)) + 1
    for first, last in pairwise([0, *cuts.tolist(), len(filled)]) if len(filled) else ():
        edges = np.unique(np.concatenate([starts[first:last], ends[first:last]]))
        texts = np.searchsorted(edges, starts[first:last])
        rows = slice(int(edges[0]), int(edges[-1]))
        yield _Step(rows, *(torch.from_numpy(it).to(device) for it in (edges - edges[0], texts)))

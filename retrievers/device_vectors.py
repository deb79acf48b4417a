"""A segment's token vectors in an accelerator's memory, and a query beside them: as halves, with what halves lose."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .store.formats import SIGNS_A_BYTE, StoredVectors
from .token_blocks import QUERY_RUN, float_slack

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LONGEST", "STEP_TOKENS", "DeviceQuery", "DeviceVectors", "device_bytes", "load_vectors"]

STEP_TOKENS = (
    1 << 18
)  # their products with 32 query tokens are 16 MB, which a GPU's cache holds; decoded they are 64 MB
LONGEST = 4.0  # of vectors that are to be of length 1: products with bytes stay below 65,504 up to 16,000 dimensions
NORM_SLACK = 1e-5  # of a norm computed in float32
HALF = 2.0**-11  # of a value: what rounding it to a half loses at most
SUMMED = 2.0**-22  # of a sum: what each addition in float32 loses at most, where a GPU cuts bits off
SMALL = 2.0**-14  # halves below it are 0 to some GPUs (AMD's MI200), where they are multiplied and where they come out
PIECE = 32  # a GPU may add up so many dimensions at least by themselves, and then these sums as halves


class DeviceQuery:
    """A query in an accelerator's memory.

    Args:
        query: float32, shape (query tokens, dim), finite, rows no longer than LONGEST.
        device: The device's name, as torch has it.
    """

    def __init__(self, query: NDArray[np.float32], device: str) -> None:
        import torch

        halves = query.astype(np.float16)
        exact, kept = query.astype(np.float64), halves.astype(np.float64)
        self.runs: list[Tensor] = [
            torch.from_numpy(halves[start : start + QUERY_RUN]).to(device).T
            for start in range(0, len(query), QUERY_RUN)
        ]
        self._tokens = len(query)
        self._kept = float(np.linalg.norm(kept, axis=1).sum())
        self._missed = float(np.linalg.norm(exact - kept, axis=1).sum())
        self._slack = float_slack(len(query))

    def error(self, vectors: DeviceVectors) -> float:
        """Returns how far scores from these vectors' halves may be off.

        Source:
            Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1: the error of an inner product is
            at most so many roundings of the product of the norms.
        """
        rounding = (2 + vectors.dim / PIECE) * HALF + vectors.dim * SUMMED
        longest = vectors.longest + vectors.lost
        flushed = SMALL * (math.sqrt(vectors.dim) * (self._tokens * longest + self._kept) + self._tokens)
        return self._missed * longest + self._kept * (vectors.lost + rounding * longest) + flushed + self._slack


@dataclass(frozen=True, slots=True)
class DeviceVectors:
    """A segment's token vectors in an accelerator's memory.

    Args:
        codes: As they are stored, shape (rows, dim), or (rows, dim / 8) for signs; values as halves.
        scales: float32, shape (rows, 1): what a row's products are multiplied by; None where all have `scale`.
        scale: What sums are multiplied by.
        signs: For signs, what each byte stands for: halves, shape (256, 8).
        dim: Length of a vector.
        longest: The greatest norm of a vector, or a little more.
        lost: The greatest norm of what a vector has lost.
    """

    codes: Tensor
    scales: Tensor | None
    scale: float
    signs: Tensor | None
    dim: int
    longest: float
    lost: float

    @property
    def bytes(self) -> int:
        """How much memory they take."""
        return self.codes.nbytes + (0 if self.scales is None else self.scales.nbytes)

    def products(self, rows: slice, query: Tensor) -> Tensor:
        """Returns the products of some rows with a run of query tokens, up to `scale`.

        Args:
            rows: Which.
            query: Halves, shape (dim, query tokens).

        Returns:
            Shape (rows, query tokens).
        """
        import torch

        codes = self.codes[rows]
        if self.signs is not None:
            codes = torch.nn.functional.embedding(codes.int(), self.signs).reshape(len(codes), -1)
        products = codes.half() @ query
        return products if self.scales is None else products * self.scales[rows]


def device_bytes(vectors: StoredVectors) -> int:
    """Returns how much memory a segment's vectors take on a device."""
    scales = 0 if vectors.scales is None else vectors.scales.nbytes
    return vectors.codes.nbytes // (2 if vectors.format == "float32" else 1) + scales


def load_vectors(vectors: StoredVectors, device: str) -> DeviceVectors | None:
    """Returns a segment's vectors, brought to a device; None where one is not finite or far from length 1.

    Args:
        vectors: The segment's.
        device: The device's name, as torch has it.

    Raises:
        RuntimeError: The device has too little memory, or fails.
    """
    import torch

    binary = vectors.format == "binary"
    scale = 1 / math.sqrt(vectors.dim) if binary else 1.0
    scales = None if vectors.scales is None else torch.from_numpy(np.array(vectors.scales)).to(device)[:, None]
    signs = torch.from_numpy(_signs()).to(device) if binary else None
    kind = torch.float16 if vectors.format == "float32" else torch.from_numpy(np.array(vectors.codes[:0])).dtype
    codes = torch.empty(vectors.codes.shape, dtype=kind, device=device)
    longest, lost = [0.0], [0.0]
    for rows in _steps(len(vectors)):
        piece = torch.from_numpy(np.array(vectors.codes[rows])).to(device)
        codes[rows] = piece
        if not binary:
            values = piece.float() if scales is None else piece.float() * scales[rows]
            longest.append(values.norm(dim=1).max().item())
        if vectors.format == "float32":
            lost.append((piece - codes[rows].float()).norm(dim=1).max().item())
    found = [1.0] if binary else longest
    if not np.isfinite([*found, *lost]).all() or max(found) > LONGEST:
        return None
    slack = 1 + NORM_SLACK
    return DeviceVectors(codes, scales, scale, signs, vectors.dim, max(found) * slack, max(lost) * slack)


def _steps(rows: int) -> Iterator[slice]:
    return (slice(start, min(start + STEP_TOKENS, rows)) for start in range(0, rows, STEP_TOKENS))


def _signs() -> NDArray[np.float16]:
    """Returns what each byte of signs stands for, shape (256, 8): 1 for a bit that is set, -1 for another."""
    bits = np.unpackbits(np.arange(1 << SIGNS_A_BYTE, dtype=np.uint8)[:, None], axis=1)
    signs: NDArray[np.float16] = (2 * bits.astype(np.float16) - 1).astype(np.float16)
    return signs

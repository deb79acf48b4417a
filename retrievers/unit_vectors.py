"""What every encoder promises: vectors of length 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgumentError

__all__ = ["check_normalised"]

TOLERANCE = 1e-2  # of a length: those in 16 bits are off by 4e-3


def check_normalised(vectors: NDArray[np.float32], model: str) -> None:
    """Raises unless each vector has length 1, or is zero: scores of others are no cosines, and their bounds none.

    Values that are not finite are left to who looks for them.

    Args:
        vectors: float32, shape (..., dim).
        model: The encoder's model, for the message.

    Raises:
        InvalidArgumentError: A vector has another length.
    """
    if vectors.ndim == 1 and abs(float(vectors @ vectors) - 1) <= TOLERANCE:  # a length is nearer to 1 than its square
        return
    lengths = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))
    wrong = (lengths > 0) & (np.abs(lengths - 1) > TOLERANCE) & np.isfinite(lengths)
    if wrong.any():
        raise InvalidArgumentError(
            f"the encoder {model!r} must give vectors of length 1, got one of length {float(lengths[wrong][0]):.3g}: "
            "L2-normalise them"
        )

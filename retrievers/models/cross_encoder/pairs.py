"""The contract of this folder: pairs of texts in, the model's own number for each out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..folder import ModelFolder
from .checkpoint import CrossEncoderCheckpoint

__all__ = ["PairScorer", "TextPair"]

TextPair: TypeAlias = tuple[str, str]  # a query and what it is to be matched with


class PairScorer(Protocol):
    """A cross-encoder whose weights are loaded when it first scores. Threads may share it."""

    @property
    def folder(self) -> ModelFolder:
        """The model."""
        ...

    @property
    def checkpoint(self) -> CrossEncoderCheckpoint:
        """What its files say about it."""
        ...

    def logits(self, pairs: Sequence[TextPair]) -> NDArray[np.float32]:
        """Returns a number for each pair, before any activation: float32, shape (len(pairs),), higher is better.

        What is longer than the model reads is cut, the longer text of a pair first.

        Raises:
            EncodingError: The model gave NaN or infinity.
            ModelNotFoundError: The model's files can't be loaded.
        """
        ...

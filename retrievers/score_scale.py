"""What a retriever's scores mean: that of a node which has nothing to do with the query, and the best possible one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..errors import InvalidArgumentError
from .retriever import Encoder, TokenEncoder
from .scale import measure_scale

__all__ = ["LEXICAL_SCALE", "UNKNOWN_SCALE", "Scaled", "ScoreScale", "similarity_scale"]


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """The two ends of a retriever's scores.

    Args:
        floor: The score of a node that has nothing to do with the query; None where nobody knows.
        ceiling: The score of a perfect match; None where there is none.

    Raises:
        InvalidArgumentError: An end is not finite, or the ceiling is not above the floor.
    """

    floor: float | None = None
    ceiling: float | None = None

    def __post_init__(self) -> None:
        ends = [end for end in (self.floor, self.ceiling) if end is not None]
        if not all(map(math.isfinite, ends)) or (len(ends) == 2 and ends[0] >= ends[1]):
            raise InvalidArgumentError(
                f"a scale's ends must be finite, the ceiling above the floor, got {self.floor} and {self.ceiling}"
            )

    def normalised(self, scores: Mapping[str, float]) -> dict[str, float]:
        """Returns each score's place between the ends, in [0, 1]; the lowest and the best stand in for unknown ends.

        Between ends that are the same, or the wrong way round, a score at or above the upper one has 1, the others 0.

        Args:
            scores: By node id.

        Raises:
            InvalidArgumentError: A score is not finite.
        """
        if not all(map(math.isfinite, scores.values())):
            key, score = next((key, score) for key, score in scores.items() if not math.isfinite(score))
            raise InvalidArgumentError(f"scores must be finite to be fused, got {score} for the node {key!r}")
        floor = min(scores.values(), default=0.0) if self.floor is None else self.floor
        ceiling = max(scores.values(), default=0.0) if self.ceiling is None else self.ceiling
        low, span = floor / 2, ceiling / 2 - floor / 2  # of halves: a difference of finite numbers may be infinite
        if span <= 0:
            return {key: float(score >= max(floor, ceiling)) for key, score in scores.items()}
        return {key: min(1.0, max(0.0, (score / 2 - low) / span)) for key, score in scores.items()}


@runtime_checkable
class Scaled(Protocol):
    """A retriever that knows what its scores mean."""

    @property
    def score_scale(self) -> ScoreScale:
        """The ends of its scores."""
        ...


UNKNOWN_SCALE = ScoreScale()
LEXICAL_SCALE = ScoreScale(floor=0.0)  # a sum of term weights: nothing in common is 0, and there is no best


def similarity_scale(encoder: Encoder | TokenEncoder) -> ScoreScale:
    """Returns the scale of an encoder's similarities to a question: from its own background to 1, that of equal texts.

    The first call for an encoder may cost the encoding of 24 short texts; see `measure_scale`. Unknown for one that
    gives every text the same vector.
    """
    background = measure_scale(encoder, questions=True).background
    return ScoreScale(background, 1.0) if background < 1 else UNKNOWN_SCALE

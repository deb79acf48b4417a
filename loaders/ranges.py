"""Page numbers in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["ranges"]


def ranges(numbers: Sequence[int]) -> str:
    """Returns sorted numbers as "1-3, 7"."""
    breaks = [at for at, (left, right) in enumerate(pairwise(numbers), 1) if right != left + 1]
    runs = [numbers[start:end] for start, end in pairwise([0, *breaks, len(numbers)])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)

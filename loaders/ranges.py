"""Page numbers in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["bare_pages", "pages_in_words", "ranges"]


def ranges(numbers: Sequence[int]) -> str:
    """Returns sorted numbers as "1-3, 7"."""
    breaks = [at for at, (left, right) in enumerate(pairwise(numbers), 1) if right != left + 1]
    runs = [numbers[start:end] for start, end in pairwise([0, *breaks, len(numbers)])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def pages_in_words(numbers: Sequence[int]) -> tuple[str, str]:
    """Returns sorted page numbers as "page 3" or "pages 1-3, 7", and the pronoun for them."""
    return (f"page {numbers[0]}", "it") if len(numbers) == 1 else (f"pages {ranges(numbers)}", "them")


def bare_pages(numbers: Sequence[int]) -> str:
    """Returns what a user is told of sorted pages that show something and hold no text."""
    pages, them = pages_in_words(numbers)
    return f"{pages} {'has' if them == 'it' else 'have'} no text layer: run OCR on {them} first"

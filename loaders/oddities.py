"""What is odd about a text that could be read, in words for the user."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .document import Section

__all__ = ["LONG_LINE_CHARS", "oddities"]

LONG_LINE_CHARS = 1_000_000  # a book has no line this long; packed data and minified code have
# What turns the direction of the text behind it, and the tag characters, which spell invisible words. A flag emoji may
# be spelt with tags: they follow a black flag.
_HIDDEN = re.compile(
    "[\u202a-\u202e\u2066-\u2069]+|(?<![\U0001f3f4\U000e0000-\U000e007f])[\U000e0000-\U000e007f]+",
)


def oddities(sections: Sequence[Section]) -> tuple[str, ...]:
    """Returns a warning for invisible characters that can hide or turn words, and one for lines that are no prose.

    Args:
        sections: The texts of a document.
    """
    warnings = []
    hidden = [section for section in sections if not section.text.isascii() and _HIDDEN.search(section.text)]
    if hidden:
        count = sum(len(run) for section in hidden for run in _HIDDEN.findall(section.text))
        on = f" (the first on page {hidden[0].page})" if hidden[0].page is not None else ""
        warnings.append(
            f"the text holds {count} invisible characters that turn or hide words{on}: look at it before you trust it"
        )
    longest = max((_longest_line(section.text) for section in sections), default=0)
    if longest > LONG_LINE_CHARS:
        warnings.append(
            f"a line has {longest:,} characters: it is cut anywhere; if it is data and no prose, leave the file out"
        )
    return tuple(warnings)


def _longest_line(text: str) -> int:
    return max(map(len, text.split("\n"))) if len(text) > LONG_LINE_CHARS else 0

"""Sections from headings: one rule for Markdown and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from .document import Section
from .indexed_text import SEPARATOR

__all__ = ["Heading", "first_title", "sections_at"]

MIN_SECTION_CHARS = 80  # about 20 tokens: less is no passage to retrieve on its own


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading in a text.

    Args:
        start: Offset of its line.
        end: Offset behind its line.
        level: 1 to 6.
        title: Its words, without markup.
    """

    start: int
    end: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class _Part:
    start: int
    end: int
    path: tuple[str, ...]
    depth: int  # how many headings stand above it and it counts itself; titles may repeat, so paths don't tell
    empty: bool


def first_title(headings: Sequence[Heading]) -> str | None:
    """Returns the words of the first heading of level 1, or None."""
    return next((heading.title for heading in headings if heading.level == 1 and heading.title), None)


def sections_at(text: str, headings: Sequence[Heading]) -> tuple[Section, ...]:
    """Returns the text cut at its headings; each section begins with its own, and all of them together are the text.

    `header_path` ("Care > Feeding") says where each stands. A heading without a body goes with the section that follows
    below or beside it, or else with the one before. Neighbours below or beside each other that both have under 80
    characters are joined, and have the path that they share.

    Args:
        text: The whole text.
        headings: In order.
    """
    parts = _merged(text, _parts(text, headings))
    return tuple(
        Section(
            text[part.start : part.end],
            start_char=part.start,
            metadata={"header_path": SEPARATOR.join(part.path)} if part.path else {},
        )
        for part in parts
    )


def _parts(text: str, headings: Sequence[Heading]) -> list[_Part]:
    ends = [*(heading.start for heading in headings[1:]), len(text)]
    parts: list[_Part] = []
    above: list[Heading] = []
    if text[: headings[0].start if headings else len(text)].strip():
        parts.append(_Part(0, headings[0].start if headings else len(text), (), 0, False))
    for heading, end in zip(headings, ends, strict=False):
        above = [*(upper for upper in above if upper.level < heading.level), heading]
        path = tuple(upper.title for upper in above if upper.title)
        parts.append(_Part(heading.start, end, path, len(above), not text[heading.end : end].strip()))
    return parts


def _merged(text: str, parts: Sequence[_Part]) -> list[_Part]:
    merged: list[_Part] = []
    for part in parts:
        if merged and _goes_with(text, merged[-1], part):
            merged[-1] = _joined(merged[-1], part)
        else:
            _attach_orphan(merged)
            merged.append(part)
    _attach_orphan(merged)
    return merged


def _goes_with(text: str, last: _Part, part: _Part) -> bool:
    below_or_beside = 0 < last.depth <= part.depth
    return below_or_beside and (last.empty or (_is_small(text, last) and _is_small(text, part)))


def _is_small(text: str, part: _Part) -> bool:
    return len(text[part.start : part.end].strip()) < MIN_SECTION_CHARS


def _joined(small: _Part, part: _Part) -> _Part:
    if small.empty:
        return replace(part, start=small.start)
    shared = tuple(
        left for left, _ in takewhile(lambda pair: pair[0] == pair[1], zip(small.path, part.path, strict=False))
    )
    return replace(small, end=part.end, path=shared)


def _attach_orphan(merged: list[_Part]) -> None:
    """A heading without a body, and with nothing below or beside it to go with, goes with what stands before it."""
    if len(merged) > 1 and merged[-1].empty:
        orphan = merged.pop()
        merged[-1] = replace(merged[-1], end=orphan.end)

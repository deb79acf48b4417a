"""The blocks of a passage that no sentence crosses: paragraphs, list items, table rows, code, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from .tables import BAR, RULE, STOPPED, Table, find_tables
from .verbatim import FENCE

__all__ = ["ITEM", "WORD", "Block", "find_blocks"]

HEADING_WORDS = 8  # a line of its own this short, without a stop, a digit or a colon, is taken for a heading
SHORT_LINE = 0.6  # a line this much shorter than the longest did not wrap: a paragraph, or a heading, ends there
LEADER_DOTS = 5  # between a heading and its page; an ellipsis has three, or four with the stop

ITEM = re.compile(r"(?:[-*+•‣◦▪]|\d{1,3}[.)]|\(?[a-z]\))[ \t]+")
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")  # each CJK character counts as a word
_HEADING = re.compile(r"#{1,6}[ \t]+")
_FENCE = re.compile(FENCE)

Kind = Literal["text", "item", "row", "code", "heading"]
_Span = tuple[int, int]


class Block(NamedTuple):
    """A stretch of a text that no sentence crosses, trimmed.

    Args:
        start: Offset of its first character: behind the marker of a heading.
        end: Offset behind its last.
        kind: What it is; code comes with its fences.
        header: Offsets of the head of the table that it is a row of, None for anything else.
    """

    start: int
    end: int
    kind: Kind
    header: _Span | None = None


def find_blocks(text: str) -> Iterator[Block]:
    """Yields the blocks of a text in order, without rules and the heads of tables.

    Args:
        text: Plain text or Markdown with newlines as line ends.
    """
    lines = [(match.start(), match.end()) for match in re.finditer(r"[^\n]+", text) if match[0].strip()]
    fences = list(_fences(text, lines))
    code = {index for fence in fences for index in fence}
    longest = max((end - start for index, (start, end) in enumerate(lines) if index not in code), default=0)
    done = 0
    for fence in fences:
        yield from _plain(text, lines[done : fence.start], longest)
        first, last = lines[fence.start], lines[fence.stop - 1]
        yield Block(*_trimmed(text, first[0], last[1]), "code")
        done = fence.stop
    yield from _plain(text, lines[done:], longest)


def _fences(text: str, lines: Sequence[_Span]) -> Iterator[range]:
    """Yields the lines of each fenced code block; one that is not closed, as in a cut passage, goes to the end."""
    opened, mark = -1, ""
    for index, (start, end) in enumerate(lines):
        line = text[start:end].strip()
        if opened < 0 and _FENCE.fullmatch(line):
            opened, mark = index, line[:3]
        elif opened >= 0 and line.startswith(mark) and not line.strip(mark[0]):
            yield range(opened, index + 1)
            opened = -1
    if opened >= 0:
        yield range(opened, len(lines))


def _plain(text: str, lines: Sequence[_Span], longest: int) -> Iterator[Block]:
    """Yields the blocks of lines without code."""
    tables = find_tables(text, lines, longest)
    heads = {index for table in tables for index in table.head}
    tabled = {index: _head_span(text, lines, table) for table in tables for index in table.rows}
    opened: int | None = None
    for index, (start, end) in enumerate(lines):
        begin, stop = _trimmed(text, start, end)
        heading = _HEADING.match(text, begin, stop)
        if heading and heading.end() < stop:
            yield Block(heading.end(), stop, "heading")
        if heading or index in heads or _is_rule(text[start:end]):
            continue  # the line before it has closed its block
        opened = begin if opened is None else opened
        after = lines[index + 1] if index + 1 < len(lines) else None
        breaks = index in tabled or index + 1 in tabled or index + 1 in heads
        if after is None or breaks or _ends_block(text, (start, end), after, longest):
            row = index in tabled or text[opened] == BAR
            yield Block(opened, stop, "row" if row else _kind(text, opened, stop), tabled.get(index))
            opened = None


def _head_span(text: str, lines: Sequence[_Span], table: Table) -> _Span | None:
    if not table.head:
        return None
    return _trimmed(text, lines[table.head[0]][0], lines[table.head[-1]][1], f" \t\n{BAR}")


def _ends_block(text: str, line: _Span, after: _Span, longest: int) -> bool:
    following = text[after[0] : after[1]].lstrip()
    if text.count("\n", line[1], after[0]) > 1 or text[line[0] : line[1]].lstrip().startswith(BAR):
        return True
    if following.startswith(BAR) or _HEADING.match(following) or ITEM.match(following) or _is_rule(following):
        return True
    return line[1] - line[0] < SHORT_LINE * longest and following[0].isupper()


def _is_rule(line: str) -> bool:
    """Says whether a line holds nothing to read, or is of a table of contents, as "Storage . . . . . 3"."""
    name = line.rstrip("0123456789 \t")[-2 * LEADER_DOTS :]
    return bool(RULE.fullmatch(line)) or name.replace(" ", "").endswith("." * LEADER_DOTS)


def _kind(text: str, start: int, end: int) -> Kind:
    """Returns what a block is that is neither code nor in a table: a heading by its looks, where it has no mark."""
    block = text[start:end]
    if ITEM.match(block):
        return "item"
    if "\n" in block or STOPPED.search(block) or ":" in block:
        return "text"
    words = WORD.findall(block)
    figured = any(any(map(str.isdigit, word)) for word in words[1:])
    return "text" if figured or len(words) > HEADING_WORDS else "heading"


def _trimmed(text: str, start: int, end: int, chars: str | None = None) -> _Span:
    stretch = text[start:end]
    first = start + len(stretch) - len(stretch.lstrip(chars))
    return first, first + len(stretch.strip(chars))

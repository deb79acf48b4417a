"""The stretches of a passage that can be quoted as an answer: sentences, list items, table rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from ...loaders.sentences import split_sentences

__all__ = ["Quotable", "quotable_spans", "quotables"]

MIN_WORDS = 3  # "Fig. 3." and "See below." answer nothing
MIN_ITEM_WORDS = 2  # "Bleach: 6%" as a list item or table row does
MAX_QUOTE_CHARS = 400  # text without punctuation (a dumped table) is cut at a space; a long sentence has 250
HEADING_WORDS = 8  # a line of its own this short, without a stop, a digit or a colon, is taken for a heading
SHORT_LINE = 0.6  # a line this much shorter than the longest did not wrap: a paragraph, or a heading, ends there

ROW_LINE = 0.75  # a run of lines this much shorter than the longest, unstopped and with figures, is a table's rows
ROW_RUN = 3
ROW_FIGURES = 2 / 3  # of the run's lines hold a digit

_HEADING = re.compile(r"#{1,6}[ \t]")
_ITEM = re.compile(r"(?:[-*+•‣◦▪]|\d{1,3}[.)]|\(?[a-z]\))[ \t]+")
_RULE = re.compile(r"[\s|:=_*+-]+")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")  # each CJK character counts as a word
_RUN_IN = re.compile(r"(\*\*|__)[^*_]+\1")  # a bold phrase that opens a paragraph
_STOPPED = re.compile(r"[.!?。！？…:;][\"'”’»)\]*_]*$")


class Quotable(NamedTuple):
    """A stretch of a text that can be quoted.

    Args:
        start: Offset of its first character.
        end: Offset behind its last.
        header: Offsets of the header row of the table that it is a row of, None for anything else.
    """

    start: int
    end: int
    header: tuple[int, int] | None = None


def quotable_spans(text: str) -> list[tuple[int, int]]:
    """Returns the (start, end) offsets of what can be quoted; see `quotables`."""
    return [(found.start, found.end) for found in quotables(text)]


def quotables(text: str) -> list[Quotable]:
    r"""Returns what can be quoted, in order, trimmed, without overlaps.

    A quotable stretch is a sentence, a list item without its marker, or a table row without its outer bars. Headings,
    a table's header row and rules are left out, and so is what is too short to answer anything. Plain text from a PDF
    has no marks: there a short line with a capital after it ends a paragraph, a short one of its own is a heading, and
    a run of short lines with figures is a table, its first line the header.

    Args:
        text: Plain text or Markdown with "\n" line ends.
    """
    found: list[Quotable] = []
    for start, end, header in _blocks(text):
        item = _ITEM.match(text, start, end)
        first = item.end() if item else start
        barred = text[start] == "|"
        row = barred or header is not None
        if barred:
            first, end = _inner(text, start, end)
        pieces = [(first, end)] if row else list(_sentences(text, first, end))
        least = MIN_ITEM_WORDS if row or item else MIN_WORDS
        spans = [span for piece in pieces for span in _bounded(text, *piece)]
        found.extend(Quotable(*span, header) for span in spans if len(_WORD.findall(text[slice(*span)])) >= least)
    return found


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yields the sentences of a block; a bold phrase that opens it goes with the sentence that follows."""
    opened: int | None = None
    for a, b in split_sentences(text[start:end]):
        begin = start + a if opened is None else opened
        opened = begin if _RUN_IN.fullmatch(text, start + a, start + b) else None
        if opened is None:
            yield begin, start + b


def _blocks(text: str) -> Iterator[tuple[int, int, tuple[int, int] | None]]:
    """Yields the trimmed stretches that no sentence crosses, without headings, rules and header rows.

    A table's row comes with its header.
    """
    lines = [(match.start(), match.end()) for match in re.finditer(r"[^\n]+", text) if match[0].strip()]
    longest = max((end - start for start, end in lines), default=0)
    headers = {**_barred_headers(text, lines), **_bare_headers(text, lines, longest)}
    opened: int | None = None
    for index, (start, end) in enumerate(lines):
        line = text[start:end]
        begin = start + len(line) - len(line.lstrip())
        after = lines[index + 1] if index + 1 < len(lines) else None
        if _HEADING.match(text, begin) or _RULE.fullmatch(line) or headers.get(index) == index:
            continue  # the line before it has closed its block
        opened = begin if opened is None else opened
        breaks = index in headers or index + 1 in headers
        if after is None or breaks or _ends_block(text, (start, end), after, longest):
            stop = start + len(line.rstrip())
            if not _is_heading(text[opened:stop]):
                yield opened, stop, _inner(text, *lines[headers[index]]) if index in headers else None
            opened = None


def _barred_headers(text: str, lines: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Returns the header's index for each row of a Markdown table, by the row's index; a header is its own header."""
    headers: dict[int, int] = {}
    for index, (start, end) in enumerate(lines):
        ruled = index + 1 < len(lines) and _RULE.fullmatch(text[slice(*lines[index + 1])])
        barred = text[start:end].lstrip().startswith("|")
        if barred and index - 1 in headers:
            headers[index] = headers[index - 1]
        elif barred and ruled:
            headers[index] = index
    return headers


def _bare_headers(text: str, lines: Sequence[tuple[int, int]], longest: int) -> dict[int, int]:
    """Returns the same for tables whose bars and rules are lost: runs of short, unstopped lines with figures."""
    loose = [
        end - start < ROW_LINE * longest and not _STOPPED.search(text[start:end].rstrip()) and text[start] != "|"
        for start, end in lines
    ]
    headers: dict[int, int] = {}
    for is_loose, group in groupby(range(len(lines)), key=lambda index: loose[index]):
        run = list(group)
        figures = sum(any(map(str.isdigit, text[slice(*lines[index])])) for index in run)
        if is_loose and len(run) >= ROW_RUN and figures >= ROW_FIGURES * len(run):
            headers.update(dict.fromkeys(run, run[0]))
    return headers


def _ends_block(text: str, line: tuple[int, int], after: tuple[int, int], longest: int) -> bool:
    following = text[after[0] : after[1]].lstrip()
    if text.count("\n", line[1], after[0]) > 1 or text[line[0] : line[1]].lstrip().startswith("|"):
        return True
    if following.startswith("|") or _HEADING.match(following) or _ITEM.match(following) or _RULE.fullmatch(following):
        return True
    return line[1] - line[0] < SHORT_LINE * longest and following[0].isupper()


def _is_heading(block: str) -> bool:
    """Says whether a block is a heading by its looks."""
    if block.startswith("|") or "\n" in block or _ITEM.match(block) or _STOPPED.search(block) or ":" in block:
        return False
    words = _WORD.findall(block)
    return len(words) <= HEADING_WORDS and not any(any(char.isdigit() for char in word) for word in words[1:])


def _inner(text: str, start: int, end: int) -> tuple[int, int]:
    row = text[start:end]
    bare = row.strip(" \t|")
    first = start + len(row) - len(row.lstrip(" \t|"))
    return first, first + len(bare)


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > MAX_QUOTE_CHARS:
        space = max(text.rfind(char, start + 1, start + MAX_QUOTE_CHARS) for char in " \n\t")
        stop = space if space > start else start + MAX_QUOTE_CHARS
        piece = text[start:stop].rstrip()
        yield start, start + len(piece)
        start = stop + len(text[stop:end]) - len(text[stop:end].lstrip())
    if end > start:
        yield start, end

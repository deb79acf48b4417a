"""The stretches of a passage that can be quoted as an answer: sentences, list items, table rows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..loaders.sentences import split_sentences

__all__ = ["quotable_spans"]

MIN_WORDS = 3  # "Fig. 3." and "See below." answer nothing
MIN_ITEM_WORDS = 2  # "Bleach: 6%" as a list item or table row does
MAX_QUOTE_CHARS = 400  # text without punctuation (a dumped table) is cut at a space; a long sentence has 250
HEADING_WORDS = 8  # a line of its own this short, without a stop, a digit or a colon, is taken for a heading
SHORT_LINE = 0.6  # a line this much shorter than the longest did not wrap: a paragraph, or a heading, ends there

_HEADING = re.compile(r"#{1,6}[ \t]")
_ITEM = re.compile(r"(?:[-*+•‣◦▪]|\d{1,3}[.)]|\(?[a-z]\))[ \t]+")
_RULE = re.compile(r"[\s|:=_*+-]+")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")  # each CJK character counts as a word
_STOPPED = re.compile(r"[.!?。！？…:;][\"'”’»)\]*_]*$")


def quotable_spans(text: str) -> list[tuple[int, int]]:
    r"""Returns the (start, end) offsets of what can be quoted, in order, trimmed, without overlaps.

    A quotable stretch is a sentence, a list item without its marker, or a table row without its outer bars. Headings,
    a table's header row and rules are left out, and so is what is too short to answer anything. Plain text from a PDF
    has no marks: there a short line with a capital after it ends a paragraph, and a short one of its own is a heading.

    Args:
        text: Plain text or Markdown with "\n" line ends.
    """
    spans: list[tuple[int, int]] = []
    for start, end in _blocks(text):
        item = _ITEM.match(text, start, end)
        first = item.end() if item else start
        row = text[start] == "|"
        if row:
            first, end = _inner(text, start, end)
        pieces = [(first, end)] if row else [(first + a, first + b) for a, b in split_sentences(text[first:end])]
        least = MIN_ITEM_WORDS if row or item else MIN_WORDS
        for piece in pieces:
            spans.extend(span for span in _bounded(text, *piece) if len(_WORD.findall(text[slice(*span)])) >= least)
    return spans


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yields the trimmed stretches that no sentence crosses, without headings, rules and header rows."""
    lines = [(match.start(), match.end()) for match in re.finditer(r"[^\n]+", text) if match[0].strip()]
    longest = max((end - start for start, end in lines), default=0)
    opened: int | None = None
    for index, (start, end) in enumerate(lines):
        line = text[start:end]
        begin = start + len(line) - len(line.lstrip())
        after = lines[index + 1] if index + 1 < len(lines) else None
        if _HEADING.match(text, begin) or _RULE.fullmatch(line):
            continue  # the line before it has closed its block
        opened = begin if opened is None else opened
        if after is None or _ends_block(text, (start, end), after, longest):
            stop = start + len(line.rstrip())
            if not _is_heading(text[opened:stop], text[after[0] : after[1]] if after else ""):
                yield opened, stop
            opened = None


def _ends_block(text: str, line: tuple[int, int], after: tuple[int, int], longest: int) -> bool:
    following = text[after[0] : after[1]].lstrip()
    if text.count("\n", line[1], after[0]) > 1 or text[line[0] : line[1]].lstrip().startswith("|"):
        return True
    if following.startswith("|") or _HEADING.match(following) or _ITEM.match(following) or _RULE.fullmatch(following):
        return True
    return line[1] - line[0] < SHORT_LINE * longest and following[0].isupper()


def _is_heading(block: str, following: str) -> bool:
    """Says whether a block is a heading by its looks, or the header row of a table."""
    if block.startswith("|"):
        return bool(_RULE.fullmatch(following))
    if "\n" in block or _ITEM.match(block) or _STOPPED.search(block) or ":" in block:
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

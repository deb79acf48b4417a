"""The stretches of a passage that can be quoted as an answer: sentences, list items, table rows, code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...loaders.sentences import split_sentences
from .blocks import ITEM, WORD, Block, find_blocks
from .tables import BAR, STOPPED

__all__ = ["Quotable", "quotable_spans", "quotables"]

MIN_WORDS = 3  # "Fig. 3." and "See below." answer nothing
MIN_ITEM_WORDS = 2  # "Bleach: 6%" as a list item or table row does
MAX_QUOTE_CHARS = 400  # text without punctuation (a dumped table) is cut at a space; a long sentence has 250
MAX_BLOCK_CHARS = 800  # of code, a list or a table with the sentence before it: some 20 lines, a screen's worth

_LEADS = (":", "：")  # the sentence goes on in the block behind it
_RUN_IN = re.compile(r"(\*\*|__)[^*_]+\1")  # a bold phrase that opens a paragraph


class Quotable(NamedTuple):
    """A stretch of a text that can be quoted.

    Args:
        start: Offset of its first character.
        end: Offset behind its last.
        header: Offsets of the lines above the table that it is a row of, None for anything else.
        through: Where a quote of it ends whose line ends matter: behind the code in it, or behind the list or table
            that it introduces, which stand among the quotables as well. None for a quote that can be one line.
    """

    start: int
    end: int
    header: tuple[int, int] | None = None
    through: int | None = None


def quotable_spans(text: str) -> list[tuple[int, int]]:
    """Returns the (start, end) offsets of what can be quoted; see `quotables`."""
    return [(found.start, found.end) for found in quotables(text)]


def quotables(text: str) -> list[Quotable]:
    r"""Returns what can be quoted, in order, trimmed, (start, end) without overlaps.

    A quotable stretch is a sentence, a list item without its marker, a table row without its outer bars, or code with
    the heading or the "Install it with:" before it. Other headings, a table's head and rules are left out, and so is
    what is too short to answer anything. Plain text from a PDF has no marks: there a short line with a capital after
    it ends a paragraph, a short one of its own is a heading, and a run of short lines with figures is a table.

    Args:
        text: Plain text or Markdown with "\n" line ends.
    """
    found: list[Quotable] = []
    blocks = list(find_blocks(text))
    lead: int | None = None  # where the code's own first sentence begins
    for index, block in enumerate(blocks):
        if block.kind == "code":
            found.extend(_code(text, block.start if lead is None else lead, block.end))
            lead = None
            continue
        spans = list(_spans(text, block))
        lead = spans.pop()[0] if spans and _leads_code(text, blocks, index) else None
        if block.kind != "heading":
            least = MIN_WORDS if block.kind == "text" else MIN_ITEM_WORDS
            kept = [Quotable(*span, block.header) for span in spans if len(WORD.findall(text[slice(*span)])) >= least]
            if kept and kept[-1].end == block.end and text.endswith(_LEADS, 0, block.end):
                kept[-1] = kept[-1]._replace(through=_through(text, blocks, index, kept[-1].start))
            found.extend(kept)
    return found


def _spans(text: str, block: Block) -> Iterator[tuple[int, int]]:
    """Yields what can be quoted of a block that is no code, however short."""
    start, end = block.start, block.end
    if block.kind == "row":
        bare = text[start:end].strip(f" \t{BAR}")
        start = text.index(bare, start, end)
        yield from _bounded(text, start, start + len(bare))
        return
    item = ITEM.match(text, start, end)
    for sentence in _sentences(text, item.end() if item else start, end):
        yield from _bounded(text, *sentence)


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yields the sentences of a block; a bold phrase that opens it goes with the sentence that follows."""
    opened: int | None = None
    for a, b in split_sentences(text[start:end]):
        begin = start + a if opened is None else opened
        opened = begin if _RUN_IN.fullmatch(text, start + a, start + b) else None
        if opened is None:
            yield begin, start + b


def _leads_code(text: str, blocks: Sequence[Block], index: int) -> bool:
    """Says whether a block's end and the code directly behind it are one thing to quote."""
    block, following = blocks[index], blocks[index + 1 : index + 2]
    introduces = block.kind == "heading" or text.endswith(_LEADS, 0, block.end)
    return introduces and bool(following) and following[0].kind == "code"


def _code(text: str, start: int, end: int) -> Iterator[Quotable]:
    """Yields code in pieces of whole lines that are short enough, the first with what leads it."""
    while start < end:
        stop = end
        if end - start > MAX_BLOCK_CHARS:
            newline = text.rfind("\n", start, start + MAX_BLOCK_CHARS)
            stop = newline if newline > start else start + MAX_BLOCK_CHARS
        piece = text[start:stop].rstrip()
        if len(WORD.findall(piece)) >= MIN_ITEM_WORDS:
            yield Quotable(start, start + len(piece), None, start + len(piece))
        start = stop + len(text[stop:end]) - len(text[stop:end].lstrip())


def _through(text: str, blocks: Sequence[Block], index: int, start: int) -> int | None:
    """Returns where the list, table or bare lines behind a block end, of whole items; None where none follow."""
    through: int | None = None
    before = blocks[index]
    kind = before.kind
    for block in blocks[index + 1 :]:
        gap = text[before.end : block.start] if block.header is None else ""
        follows = not gap.strip() and block.end - start <= MAX_BLOCK_CHARS
        bare = through is None and block.kind in ("text", "heading") and gap.count("\n") > 1
        bare = bare and not STOPPED.search(text, block.start, block.end)  # lines of code that no fence marks
        listed = block.kind in ("item", "row") and (through is None or block.kind == kind)
        if not follows or not (bare or listed):
            break
        through, before, kind = block.end, block, block.kind
    return through


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > MAX_QUOTE_CHARS:
        space = max(text.rfind(char, start + 1, start + MAX_QUOTE_CHARS) for char in " \n\t")
        stop = space if space > start else start + MAX_QUOTE_CHARS
        piece = text[start:stop].rstrip()
        yield start, start + len(piece)
        start = stop + len(text[stop:end]) - len(text[stop:end].lstrip())
    if end > start:
        yield start, end

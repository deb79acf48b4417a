"""The text of an HTML tree, walked without recursion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .sections import Heading

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

__all__ = ["TextBuilder", "extract"]

_NEVER_WORDS = "script style noscript template svg math iframe head title object canvas audio video select textarea"
_PARAGRAPH_WORDS = (
    "p div section article main header body blockquote pre dl table figure figcaption details summary address "
    "hgroup fieldset caption hr h1 h2 h3 h4 h5 h6 nav footer aside form dialog"
)
_NEVER_TEXT = frozenset(_NEVER_WORDS.split())
_AROUND = frozenset({"nav", "footer", "aside", "form", "button", "dialog"})
_DROPPED_ROLES = frozenset({"navigation", "banner", "contentinfo", "search"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_PARAGRAPHS = frozenset(_PARAGRAPH_WORDS.split())
_LINES = frozenset({"dt", "dd", "br", "thead", "tbody", "tfoot"})
_LISTS = frozenset({"ul", "ol"})
_CELLS = frozenset({"td", "th"})
_CONTENT = frozenset({"main", "article", "section"})  # a <header> in one of these is the text's own, not the site's
_SPACE = re.compile(r"\s+")


class TextBuilder:
    """Text that grows block by block, with the headings met on the way."""

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self._pieces: list[str] = []
        self._length = 0
        self._break = 0  # newlines owed before the next word
        self._space = False  # whether a space is owed
        self._prefix = ""  # a list item's dash or a cell's bar, owed to the next word
        self._fresh = False  # at the very start of a list item or cell, where paragraphs begin no new block
        self._row_begun = False
        self._lists = 0
        self._open: tuple[int, int] | None = None  # the open heading's first piece and offset

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._pieces)

    def end_line(self, newlines: int) -> None:
        """Owes the next word at least this many newlines, unless it is the first of a list item or cell."""
        if not self._fresh:
            self._break = max(self._break, newlines)
        self._space = False

    def words(self, text: str) -> None:
        """Adds running text, its whitespace folded and its soft hyphens gone."""
        folded = _SPACE.sub(" ", text.replace("\xad", ""))
        self._space |= folded.startswith(" ")
        stripped = folded.strip(" ")
        if stripped:
            self._write(stripped)
            self._space = folded.endswith(" ")

    def verbatim(self, text: str) -> None:
        """Adds preformatted text as it is."""
        body = text.rstrip("\n")
        if body:
            self._space = False
            self._write(body)
        self._break = max(self._break, len(text) - len(body))

    def open_list(self) -> None:
        """Begins a list; one inside another is no new block."""
        self.end_line(1 if self._lists else 2)
        self._lists += 1

    def close_list(self) -> None:
        """Ends a list."""
        self._lists -= 1
        self.end_line(1 if self._lists else 2)

    def item(self) -> None:
        """Begins a list item."""
        self.end_line(1)
        self._prefix, self._fresh = "- ", True

    def row(self) -> None:
        """Begins a table row."""
        self.end_line(1)
        self._row_begun, self._fresh = False, True

    def cell(self) -> None:
        """Begins a cell: it stays on the line of the cell before it in its row."""
        if self._row_begun:
            self._break, self._space, self._prefix, self._fresh = 0, False, " | ", True

    def end_entry(self) -> None:
        """Ends a list item or a row, even an empty one, with its line."""
        self._prefix, self._break, self._space = "", 1, False
        self._fresh, self._row_begun = False, False

    def open_heading(self) -> None:
        """The next word begins a heading."""
        self.end_line(2)
        self._open = (-1, -1)

    def close_heading(self, level: int) -> None:
        """The heading, if it had a word, ends here."""
        if self._open is not None and self._open[0] >= 0:
            title = " ".join("".join(self._pieces[self._open[0] :]).split())
            self.headings.append(Heading(self._open[1], self._length, level, title))
        self._open = None
        self.end_line(2)

    def _write(self, text: str) -> None:
        lead = ""
        if self._length and self._break:
            lead = "\n" * self._break
        elif self._length and self._space:
            lead = " "
        self._add(lead + self._prefix)
        self._break, self._space, self._prefix = 0, False, ""
        self._fresh, self._row_begun = False, True
        if self._open == (-1, -1):
            self._open = (len(self._pieces), self._length)
        self._add(text)

    def _add(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self._length += len(text)


def extract(root: LexborNode, *, lenient: bool = False) -> TextBuilder:
    """Returns the text under a node. Iterative: nesting costs no stack.

    Args:
        root: Where to begin.
        lenient: Whether navigation, forms and hidden parts count as text too; scripts and styles never do.
    """
    builder = TextBuilder()
    inside = {"pre": 0, "content": 0}
    stack: list[tuple[LexborNode, bool]] = [(root, False)]
    while stack:
        node, closing = stack.pop()
        tag = node.tag or ""
        if closing:
            _leave(builder, tag)
            _count(inside, tag, -1)
        elif node.is_text_node:
            add = builder.verbatim if inside["pre"] else builder.words
            add(node.text_content or "")
        elif node.is_element_node and not _is_dropped(node, tag, inside["content"] > 0, lenient):
            _enter(builder, tag)
            _count(inside, tag, 1)
            stack.append((node, True))
            stack.extend(reversed([(child, False) for child in _children(node)]))
    return builder


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.child
    while child is not None:
        yield child
        child = child.next


def _count(inside: dict[str, int], tag: str, change: int) -> None:
    if tag == "pre":
        inside["pre"] += change
    if tag in _CONTENT:
        inside["content"] += change


def _is_dropped(node: LexborNode, tag: str, in_content: bool, lenient: bool) -> bool:
    if tag in _NEVER_TEXT or lenient:
        return tag in _NEVER_TEXT
    if tag in _AROUND or (tag == "header" and not in_content):
        return True
    attributes = node.attributes
    return bool(attributes) and (
        "hidden" in attributes
        or (attributes.get("aria-hidden") or "").lower() == "true"
        or (attributes.get("role") or "").lower() in _DROPPED_ROLES
    )


def _enter(builder: TextBuilder, tag: str) -> None:
    if tag in _HEADINGS:
        builder.open_heading()
    elif tag in _PARAGRAPHS:
        builder.end_line(2)
    elif tag in _LISTS:
        builder.open_list()
    elif tag == "li":
        builder.item()
    elif tag == "tr":
        builder.row()
    elif tag in _CELLS:
        builder.cell()
    elif tag in _LINES:
        builder.end_line(1)


def _leave(builder: TextBuilder, tag: str) -> None:
    if tag in _HEADINGS:
        builder.close_heading(int(tag[1]))
    elif tag in _PARAGRAPHS:
        builder.end_line(2)
    elif tag in _LISTS:
        builder.close_list()
    elif tag in ("li", "tr"):
        builder.end_entry()
    elif tag in _LINES:
        builder.end_line(1)

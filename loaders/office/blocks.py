"""Text that is put together block by block."""

from __future__ import annotations

from collections.abc import Sequence

from ..sections import Heading
from ..text import clean
from .tables import markdown_table

__all__ = ["BlockText"]


class BlockText:
    """A text that grows by blocks, with a blank line between two of them, and none between the items of a list."""

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self._pieces: list[str] = []
        self._length = 0
        self._in_list = False

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._pieces)

    def paragraph(self, text: str) -> None:
        """Adds a paragraph; its line breaks stay."""
        self._add("\n".join(line.rstrip() for line in clean(text).split("\n")).strip())

    def heading(self, text: str, level: int) -> None:
        """Adds a heading on a line of its own."""
        title = " ".join(clean(text).split())
        if title:
            self._add(title)
            start = self._length - len(title)
            self.headings.append(Heading(start, self._length, level, title))

    def item(self, text: str, depth: int) -> None:
        """Adds an item of a list; depth 0 is the outermost list."""
        folded = " ".join(clean(text).split())
        if folded:
            self._add(f"{'  ' * depth}- {folded}", in_list=True)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Adds a table as Markdown, its first row the header."""
        self._add(markdown_table([[clean(cell) for cell in row] for row in rows]))

    def _add(self, block: str, *, in_list: bool = False) -> None:
        if not block:
            return
        if self._length:
            self._write("\n" if in_list and self._in_list else "\n\n")
        self._write(block)
        self._in_list = in_list

    def _write(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)

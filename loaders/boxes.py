"""Where a text stands on a PDF's page. It runs in a parsing process: the files are not trusted."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .limits import check_size
from .pdf import BROKEN_WORD, LINE_SPACE, open_pdf
from .text import clean

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfTextPage

__all__ = ["Box", "Stretch", "find_boxes"]

Box: TypeAlias = tuple[float, float, float, float]

BOX_DECIMALS = 2  # a hundredth of a point is a fortieth of a pixel at 150 dpi
MAX_TILT = 0.1  # radians: text that leans more is not upright, and its lines are not told apart by their height

# Two texts of one page are compared without what reading it took out or put in: blanks, line ends, control characters
# and the marks of broken words.
_DROPPED = re.compile(r"[\s\x00-\x1f\x7f\ufffe]+")
_LINE_ENDS = frozenset("\r\n\x02\ufffe")  # a broken word's mark stands for the hyphen and the line's end


@dataclass(frozen=True, slots=True)
class Stretch:
    """A text on a page whose boxes are wanted.

    Args:
        page: 1-based page number.
        text: Verbatim, but for whitespace.
        start_char: Where it is thought to begin in the page's text; of several places the nearest to it is meant.
    """

    page: int
    text: str
    start_char: int = 0


@dataclass(frozen=True, slots=True)
class _Letter:
    """A UTF-16 unit that is no blank, as pdfium counts characters: its line, counted down the text, and its place."""

    unit: str
    line: int
    upright: bool
    box: Box


def find_boxes(path: str, source: str, stretches: Sequence[Stretch]) -> list[tuple[Box, ...]]:
    """Returns for each stretch its boxes, one a line of text, in reading order; none where it is not on its page.

    A box is (left, bottom, right, top) in points of the page's own coordinates, y upwards, tight around the letters.
    These are the coordinates of the page's content and of annotations: their origin is the lower left corner of the
    page where its MediaBox starts at (0, 0), as nearly all do. They are counted before /Rotate turns the page, and a
    CropBox does not move them; what lies outside of it is no text of the page. A page that is missing or can't be read
    has no boxes. Two lines that pdfium takes for one, such as those of columns drawn row by row, have one box.

    Args:
        path: Where the file is.
        source: What the document is called in messages.
        stretches: What to look for.

    Raises:
        EncryptedDocumentError: It needs a password.
        CorruptDocumentError: It is no PDF that pdfium can open.
        LimitExceededError: It has too many bytes.
    """
    check_size(Path(path).stat().st_size, source)
    with closing(open_pdf(path, source)) as pdf:
        pages = {number: _Page(pdf, number) for number in sorted({stretch.page for stretch in stretches})}
        return [pages[stretch.page].boxes(stretch) for stretch in stretches]


class _Page:
    """The letters of one page, and its text as it is indexed."""

    def __init__(self, pdf: PdfDocument, number: int) -> None:
        from pypdfium2 import PdfiumError

        self._letters: list[_Letter] = []
        self._text = ""
        if not 1 <= number <= len(pdf):
            return
        try:
            with closing(pdf[number - 1]) as page, closing(page.get_textpage()) as textpage:
                self._letters = list(_letters(textpage, page.get_bbox()))
                self._text = _page_text(textpage)
        except PdfiumError:
            self._letters = []  # such a page has no text in the index either
        self._units = "".join(letter.unit for letter in self._letters)

    def boxes(self, stretch: Stretch) -> tuple[Box, ...]:
        """Returns the boxes of the stretch."""
        wanted = _units(stretch.text)
        if not wanted or not self._letters:
            return ()
        begin = len(_units(self._text[: max(0, stretch.start_char)]))
        before = self._units.rfind(wanted, 0, begin + len(wanted) - 1)
        after = self._units.find(wanted, begin)
        found = [at for at in (after, before) if at >= 0]
        if not found:
            return ()
        start = min(found, key=lambda at: abs(at - begin))
        return tuple(_boxes(self._letters[start : start + len(wanted)]))


def _page_text(textpage: PdfTextPage) -> str:
    """Returns the page's text as `read_pdf` gives it."""
    return LINE_SPACE.sub("", clean(BROKEN_WORD.sub("", textpage.get_text_bounded()))).strip("\n")


def _units(text: str) -> str:
    """Returns the text's UTF-16 units that are no blanks, each as a character."""
    encoded = _DROPPED.sub("", text).encode("utf-16-le", "surrogatepass")
    return "".join(chr(unit) for (unit,) in struct.iter_unpack("<H", encoded))


def _letters(textpage: PdfTextPage, area: Box) -> Iterator[_Letter]:
    """Yields the page's letters within the area, which is where the page's text is read."""
    from pypdfium2.raw import FPDFText_GetCharAngle, FPDFText_GetUnicode

    line = 0
    for index in range(textpage.count_chars()):
        unit = chr(FPDFText_GetUnicode(textpage, index))
        if unit in _LINE_ENDS:
            line += 1
        if _DROPPED.match(unit):
            continue
        box = textpage.get_charbox(index)
        if _overlap(box[0], box[2], area[0], area[2]) > 0 and _overlap(box[1], box[3], area[1], area[3]) > 0:
            upright = abs(math.sin(FPDFText_GetCharAngle(textpage, index))) < MAX_TILT
            yield _Letter(unit, line, upright, box)


def _boxes(letters: Sequence[_Letter]) -> Iterator[Box]:
    """Yields a box a line. pdfium ends a line behind a raised number: what goes on at the same height is joined."""
    joined: Box | None = None
    for (_, upright), group in groupby(letters, key=lambda letter: (letter.line, letter.upright)):
        box = _around([letter.box for letter in group])
        if joined is not None and upright and _goes_on(joined, box):
            joined = _around([joined, box])
            continue
        if joined is not None:
            yield _rounded(joined)
        joined = box
    if joined is not None:
        yield _rounded(joined)


def _goes_on(line: Box, box: Box) -> bool:
    """Says whether the box goes on with the line: at half its height or more, and to the right, less than an em off."""
    low, high = sorted((line[3] - line[1], box[3] - box[1]))
    level = 2 * _overlap(line[1], line[3], box[1], box[3]) >= low
    return level and -high < box[0] - line[2] < high


def _overlap(start: float, end: float, other_start: float, other_end: float) -> float:
    return min(end, other_end) - max(start, other_start)


def _around(boxes: Sequence[Box]) -> Box:
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)


def _rounded(box: Box) -> Box:
    left, bottom, right, top = (round(value, BOX_DECIMALS) for value in box)
    return left, bottom, right, top

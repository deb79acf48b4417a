"""The tables of a passage: which lines are rows, and which lines above them say what their figures mean."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

__all__ = ["BAR", "RULE", "STOPPED", "Table", "find_tables"]

ROW_LINE = 0.75  # a run of lines this much shorter than the longest, unstopped and with figures, is a table's rows
TABLE_LINES = 3  # a header and two rows; two lines with figures may be anything
ROW_FIGURES = 2 / 3  # of the rows hold a digit
HEAD_LINES = 3  # a title, the header row, a row of units

BAR = "|"
_SEPARATORS = ("\t", ",", ";")
RULE = re.compile(r"[\s|:=_*+-]+")
STOPPED = re.compile(r"[.!?。！？…:;][\"'”’»)\]*_]*$")
_BULLET = re.compile(r"[ \t]*[-*+•‣◦▪][ \t]")  # a list's items are no rows, and head no table
_CAPTION = re.compile(r"(?:Table|Tab\.)\s*\d")
_YEAR = re.compile(r"(?:19|20)\d\d")


class Table(NamedTuple):
    """A table, by the indexes of its lines.

    Args:
        head: The lines that say what the rows mean: a title, the header row, a row of units. May be empty.
        rows: The lines behind them.
    """

    head: range
    rows: range


def find_tables(text: str, lines: Sequence[tuple[int, int]], longest: int) -> list[Table]:
    """Returns the tables of a text, of Markdown and of plain text from a PDF.

    A Markdown table is told by its bars and its rule. One whose bars are lost is a run of short, unstopped lines with
    figures. Its head are the lines without figures that open the run, with two exceptions: the line before them may
    have a figure ("Sales by region 2024"), and years may stand in the header ("Country 2019 2020"). Where each line has
    figures, the first is the header if it is made otherwise than all others, as "Bleach of 1%" over "20 litres 10 mL".
    Lines with the same number of separators are a table as well (CSV).

    Args:
        text: Plain text or Markdown.
        lines: The offsets of its lines that are not blank.
        longest: The length of the text's longest line, in characters.
    """
    separated = list(_separated(text, lines))
    taken = {index for table in separated for index in (*table.head, *table.rows)}
    return [*_barred(text, lines), *separated, *_bare(text, lines, longest, taken)]


def _barred(text: str, lines: Sequence[tuple[int, int]]) -> Iterator[Table]:
    barred = [text[start:end].lstrip().startswith(BAR) for start, end in lines]
    for is_barred, group in groupby(range(len(lines)), key=barred.__getitem__):
        run = list(group)
        ruled = (index for index in run[:-1] if RULE.fullmatch(text[slice(*lines[index + 1])]))
        header = next(ruled, None) if is_barred else None
        if header is not None:
            yield Table(range(header, header + 1), range(header + 1, run[-1] + 1))


def _separated(text: str, lines: Sequence[tuple[int, int]]) -> Iterator[Table]:
    rows = [text[start:end] for start, end in lines]
    for separator in _SEPARATORS:
        fields = [_fields(row, separator) for row in rows]
        counts = [len(found) for found in fields]
        for count, group in groupby(range(len(lines)), key=counts.__getitem__):
            run = list(group)
            if count > 1 and len(run) >= TABLE_LINES:
                shapes = ["".join(map(_letter, fields[index])) for index in run]
                body = run[0] + (not _is_row(shapes, 0))
                yield Table(range(run[0], body), range(body, run[-1] + 1))


def _fields(row: str, separator: str) -> list[str]:
    """Returns the fields of a line; prose has a blank behind its commas."""
    prose = row.startswith(BAR) or f"{separator} " in row
    return [] if prose else row.split(separator)


def _bare(text: str, lines: Sequence[tuple[int, int]], longest: int, taken: Container[int]) -> Iterator[Table]:
    loose = [
        index not in taken
        and end - start < ROW_LINE * longest
        and not STOPPED.search(text[start:end].rstrip())
        and text[start] not in (BAR, "#")
        and not _BULLET.match(text, start)
        for index, (start, end) in enumerate(lines)
    ]
    for is_loose, group in groupby(range(len(lines)), key=loose.__getitem__):
        run = list(group)
        if not is_loose or len(run) < TABLE_LINES:
            continue
        shapes = [_shape(text[slice(*lines[index])]) for index in run]
        head = _head(shapes)
        ends = [text[slice(*lines[index])].split()[-1] for index in run]
        while head and ends[head[-1]] in ends[head.stop :]:  # "Boiling yes no" over "Bleach, 5 drops no" is a row too
            head = head[:-1]
        figures = sum("0" in shape or "y" in shape for shape in shapes[head.stop :])
        rows = range(run[0] + head.stop, run[-1] + 1)
        if len(head) + len(rows) >= TABLE_LINES and figures >= ROW_FIGURES * len(rows) > 0:
            yield Table(range(run[0] + head.start, run[0] + head.stop), rows)


def _shape(line: str) -> str:
    """Returns what a line is made of: a letter a word, "y" for a year, "0" for another figure, "w" for the rest.

    A caption's begins with a "c": no row is made like it.
    """
    caption = "c" if _CAPTION.match(line.lstrip()) else ""
    return caption + "".join(map(_letter, line.split()))


def _letter(word: str) -> str:
    return "y" if _YEAR.fullmatch(word) else "0" if any(map(str.isdigit, word)) else "w"


def _head(shapes: Sequence[str]) -> range:
    """Returns which of a run's lines are its head."""
    titled = len(shapes) > 1 and _figures(shapes[0]) and not _is_row(shapes, 0) and _heads(shapes, 1)
    stop = 1 if titled else 0
    while stop < len(shapes) and not _figures(shapes[stop]):
        stop += 1
    if stop < len(shapes) and _has_years(shapes, stop):
        stop += 1
    if stop == 0 and not _is_row(shapes, 0):
        stop = 1
    return range(max(0, stop - HEAD_LINES), stop)


def _figures(shape: str) -> bool:
    return "0" in shape or "y" in shape


def _heads(shapes: Sequence[str], index: int) -> bool:
    return not _figures(shapes[index]) or _has_years(shapes, index)


def _has_years(shapes: Sequence[str], index: int) -> bool:
    """Says whether a line has several years and no other figure, and the next line is made otherwise."""
    others = shapes[index + 1 : index + 2]
    return shapes[index].count("y") > 1 and "0" not in shapes[index] and all(other.count("y") < 2 for other in others)


def _is_row(shapes: Sequence[str], index: int) -> bool:
    """Says whether another line is made as this one is."""
    return shapes.count(shapes[index]) > 1

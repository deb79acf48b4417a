"""Excel workbooks: a section a sheet."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby, islice
from typing import Any, TypeAlias
from zipfile import ZipFile

from ...errors import LimitExceededError
from ...extras import require
from ..document import Document, Section
from ..properties import named_properties
from .blocks import BlockText
from .package import Package

__all__ = ["read_sheets"]

Untyped: TypeAlias = Any  # what openpyxl gives

MAX_ROWS = 1_048_576  # Excel's
# A formula whose value is missing: it was written by a program that does not calculate.
_NO_VALUE = re.compile(rb"<f\b(?:[^>]*/>|[^>]*>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
_SHEETS = "xl/worksheets/"


def read_sheets(package: Package, source: str) -> Document:
    """Returns the workbook's text, one section a sheet: its name, and its rows as Markdown tables.

    The sheet's name is its `header_path`. Blank rows set tables apart, the first row of each is its header, and a row
    of one cell above it is a line of text. Cells are given by their values, not their formulas: numbers in full, dates
    as 2026-11-21. Hidden sheets are left out with a warning.

    Args:
        package: The checked archive.
        source: The file's absolute path.

    Raises:
        LimitExceededError: A sheet has more rows than Excel can hold.
    """
    openpyxl = require("openpyxl", extra="office")
    require("defusedxml", extra="office")  # openpyxl reads sheets with it where it is installed
    book = openpyxl.load_workbook(package.stream, read_only=True, data_only=True, keep_links=False)
    visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    texts = [(sheet.title, text) for sheet in visible if (text := _text(sheet, source))]
    hidden = [sheet.title for sheet in book.worksheets if sheet.sheet_state != "visible"]
    metadata = named_properties(book.properties.title, book.properties.creator)
    return Document(source, _sections(texts), metadata, (*package.warnings, *_warnings(hidden, _formulas(package))))


def _sections(texts: Sequence[tuple[str, str]]) -> tuple[Section, ...]:
    """Returns a section for each sheet's name and text; all of them together are the document's text."""
    ends = ["\n\n"] * (len(texts) - 1) + [""]
    pieces = [text + end for (_, text), end in zip(texts, ends, strict=False)]
    starts = [0, *accumulate(map(len, pieces))]
    return tuple(
        Section(piece, start_char=start, metadata={"header_path": name})
        for piece, start, (name, _) in zip(pieces, starts, texts, strict=False)
    )


def _text(sheet: Untyped, source: str) -> str:
    sheet.reset_dimensions()  # what the sheet says of its size is not believed
    built = BlockText()
    built.heading(sheet.title, 1)
    rows = (tuple(map(_shown, row)) for row in _rows(sheet, source))
    for filled, block in groupby(rows, key=any):
        if filled:
            _add_block(built, list(block))
    return built.text if len(built.text) > len(" ".join(sheet.title.split())) else ""


def _rows(sheet: Untyped, source: str) -> Iterator[Sequence[object]]:
    rows = sheet.iter_rows(values_only=True)
    yield from islice(rows, MAX_ROWS)
    if next(rows, None) is not None:
        raise LimitExceededError(
            f"the sheet {sheet.title!r} has more than {MAX_ROWS} rows, which is Excel's limit: split it", source=source
        )


def _add_block(built: BlockText, rows: list[tuple[str, ...]]) -> None:
    begin = next((at for at, row in enumerate(rows) if sum(map(bool, row)) > 1), 0)
    if not begin and max(sum(map(bool, row)) for row in rows) == 1 and len(rows) == 1:
        begin = 1
    for row in rows[:begin]:
        built.paragraph("".join(row))
    built.table(rows[begin:])


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"{value:.15g}"  # as many digits as Excel has
    if isinstance(value, datetime.datetime):
        return str(value.date() if value.time() == datetime.time() else value)
    return str(value)


def _formulas(package: Package) -> int:
    sheets = [name for name in package.names if name.startswith(_SHEETS) and name.endswith(".xml")]
    with ZipFile(package.stream) as archive:
        return sum(len(_NO_VALUE.findall(archive.read(name))) for name in sheets)


def _warnings(hidden: Sequence[str], formulas: int) -> list[str]:
    warnings = []
    if hidden:
        names = ", ".join(map(repr, hidden))
        warnings.append(f"hidden sheets are left out: {names}; unhide them if they are wanted")
    if formulas:
        warnings.append(
            f"cells with a formula and no stored value are blank ({formulas}): open the file in Excel or LibreOffice "
            "and save it"
        )
    return warnings

"""The rows of a questions file: CSV with a header, JSONL, or a JSON list."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InvalidArgumentError
from .rows import check_text, read_lines, read_objects

__all__ = ["QuestionRow", "read_question_rows"]

MAX_PAGE_DIGITS = 9  # Python reads no number of thousands of them
DELIMITERS = ",;\t"  # spreadsheets write the one or the other, as their language has it


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """One row.

    Args:
        question: What is asked.
        file: The file that answers it, as the row names it, None where it names none.
        page: The page of it, from 1, None where it names none.
        answer: The expected answer, None where there is none.
        where: File and line, for errors.
    """

    question: str
    file: str | None
    page: int | None
    answer: str | None
    where: str


def read_question_rows(path: Path) -> list[QuestionRow]:
    """Returns the rows of a questions file.

    Args:
        path: A file that ends in .csv, .json (one list of objects) or else holds one JSON object a line.

    Raises:
        InvalidArgumentError: The file can't be read or holds no row, or a row has another form; names file and line.
    """
    if not path.is_file():
        raise InvalidArgumentError(f"there is no file of questions {path}")
    readers = {".csv": _csv_objects, ".tsv": _csv_objects, ".json": _list_objects}
    objects = readers.get(path.suffix.casefold(), _line_objects)(path)
    rows = [_row(fields, where) for where, fields in objects]
    if not rows:
        raise InvalidArgumentError(f"{path} holds no question")
    return rows


def _line_objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, row in read_objects(path):
        yield f"{path}, line {number}", row


def _list_objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        rows = json.loads("\n".join(line for _, line in read_lines(path)))
    except (ValueError, RecursionError) as err:
        raise InvalidArgumentError(f"{path} is no JSON ({err}): expected a list of questions") from err
    if not isinstance(rows, list):
        raise InvalidArgumentError(f"{path}: expected a JSON list of questions, got {type(rows).__name__}")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise InvalidArgumentError(f"{path}, entry {number}: expected an object with a question, got {row!r:.60}")
        yield f"{path}, entry {number}", row


def _csv_objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    lines = [(number, f"{line}\n") for number, line in read_lines(path)]
    head = lines[0][1] if lines else ""
    delimiter = max(DELIMITERS, key=head.count)
    reader = csv.reader((line for _, line in lines), delimiter=delimiter, strict=True)
    names: list[str] = []
    try:
        for fields in reader:
            where = f"{path}, line {lines[reader.line_num - 1][0]}"
            if not names:
                names = _checked_names([field.strip().casefold() for field in fields], where)
            elif any(field.strip() for field in fields):
                yield where, _named(names, fields, where)
    except csv.Error as err:
        line = lines[min(reader.line_num, len(lines)) - 1][0]
        raise InvalidArgumentError(f"{path}, line {line}: is no CSV ({err})") from err


def _checked_names(names: list[str], where: str) -> list[str]:
    if "question" not in names or not {"file", "answer"} & set(names):
        raise InvalidArgumentError(
            f"{where}: expected a header with question, and file or answer (page too, if wanted), got {names}"
        )
    return names


def _named(names: list[str], fields: list[str], where: str) -> dict[str, str]:
    if len(fields) > len(names):
        raise InvalidArgumentError(f"{where}: expected {len(names)} fields ({', '.join(names)}), got {len(fields)}")
    return dict(zip(names, fields, strict=False))


def _row(fields: Mapping[str, Any], where: str) -> QuestionRow:
    question = _text(fields, "question", where)
    if question is None:
        raise InvalidArgumentError(f"{where}: expected a question, got {dict(fields)!r:.80}")
    file, page = _text(fields, "file", where), _page(fields.get("page"), where)
    if page is not None and file is None:
        raise InvalidArgumentError(f"{where}: names page {page} of no file")
    return QuestionRow(question, file, page, _text(fields, "answer", where), where)


def _text(fields: Mapping[str, Any], name: str, where: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidArgumentError(f"{where}: expected {name} to be a text, got {value!r:.60}")
    return check_text(value, where).strip() or None if value else None


def _page(value: object, where: str) -> int | None:
    if value is None or value == "":
        return None
    text = str(value).strip()
    is_number = not isinstance(value, bool) and text.isdecimal() and len(text) <= MAX_PAGE_DIGITS
    if not is_number or int(text) < 1:
        raise InvalidArgumentError(f"{where}: expected page to be a whole number from 1, got {value!r:.60}")
    return int(text)

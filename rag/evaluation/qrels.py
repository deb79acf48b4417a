"""Relevance judgements: BEIR's three columns or TREC's four."""

from __future__ import annotations

from pathlib import Path

from ...errors import InvalidArgumentError
from .remarks import RemarkCounter
from .rows import check_id, read_lines

__all__ = ["read_qrels"]

BEIR_COLUMNS = 3  # query, document, grade
TREC_COLUMNS = 4  # query, iteration (unused), document, grade
MAX_GRADE = 10_000  # collections have 1 to 4, some 100; trec_eval counts the documents of every grade up to the highest
GRADE_NAMES = frozenset({"score", "grade", "relevance", "rel", "label"})  # what headers call the last column


def read_qrels(path: Path, found: RemarkCounter) -> dict[str, dict[str, int]]:
    """Returns for each query the judged documents and their grades.

    Read are query, document and grade with tabs between them, with or without a header, and TREC's form with spaces or
    tabs (query, iteration, document, grade). A judgement that stands twice counts once. A negative grade (TREC's mark
    for junk) becomes 0: not relevant.

    Args:
        path: The file.
        found: Told of repeated judgements and of negative grades.

    Raises:
        InvalidArgumentError: The file can't be read or holds no judgement, a line has another form, or two lines
            contradict each other; names file and line.
    """
    qrels: dict[str, dict[str, int]] = {}
    for index, (number, line) in enumerate(read_lines(path)):
        where = f"{path}, line {number}"
        fields = _fields(line)
        if index == 0 and _is_header(fields):
            continue
        query, document, grade = _judgement(fields, where)
        if grade < 0:
            found.note("negative_grades", "negative grades, taken as 0 (not relevant)", where)
        grades, value = qrels.setdefault(query, {}), max(grade, 0)
        if document in grades:
            found.note("repeated_judgements", "judgements that stand twice", where)
        if grades.setdefault(document, value) != value:
            raise InvalidArgumentError(
                f"{where}: query {query!r} and document {document!r} are judged {grade} here and {grades[document]} "
                "above: keep one"
            )
    if not qrels:
        raise InvalidArgumentError(f"{path} holds no judgement: expected lines of query, document and grade")
    return qrels


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.split("\t")] if "\t" in line else line.split()


def _is_header(fields: list[str]) -> bool:
    return fields[-1].casefold() in GRADE_NAMES


def _judgement(fields: list[str], where: str) -> tuple[str, str, int]:
    if len(fields) == TREC_COLUMNS:
        query, _, document, grade = fields
    elif len(fields) == BEIR_COLUMNS:
        query, document, grade = fields
    else:
        raise InvalidArgumentError(
            f"{where}: expected query, document and grade with tabs between them, got {len(fields)} fields: {fields}"
        )
    try:
        value = float(grade)  # some files have 1.0
    except ValueError:
        value = float("nan")
    if not query or not document or not value.is_integer():
        raise InvalidArgumentError(f"{where}: expected a query, a document and a whole number as grade, got {fields}")
    if value > MAX_GRADE:
        raise InvalidArgumentError(f"{where}: expected a grade of at most {MAX_GRADE:,}, got {grade:.40}")
    return check_id(query, where), check_id(document, where), int(value)

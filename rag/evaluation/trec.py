"""Runs and judgements as files that trec_eval and ir-measures read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...errors import InvalidArgumentError
from .corpus import Qrels

__all__ = ["check_writable", "write_qrels", "write_run"]

TAG = "lateral"
_UNWRITABLE = re.compile(r"[\s%]")


def write_run(path: Path, rankings: Mapping[str, Sequence[str]]) -> None:
    """Writes a TREC run: query, Q0, unit, rank, score and tag a line.

    Scores are whole numbers that fall by 1 from rank to rank, since trec_eval sorts by score and breaks ties its own
    way. Whitespace in an id is written %20 and so on, as in `write_qrels`.

    Args:
        path: The file; one that is there is replaced.
        rankings: For each query its units, best first.

    Raises:
        InvalidArgumentError: The file can't be written.
    """
    _write(
        path,
        (
            f"{_word(query)} Q0 {_word(unit)} {rank} {len(units) - rank + 1} {TAG}\n"
            for query, units in rankings.items()
            for rank, unit in enumerate(units, start=1)
        ),
    )


def write_qrels(path: Path, qrels: Qrels) -> None:
    """Writes judgements in TREC's form: query, 0, unit and grade a line.

    Args:
        path: The file; one that is there is replaced.
        qrels: The judgements.

    Raises:
        InvalidArgumentError: The file can't be written.
    """
    _write(
        path,
        (
            f"{_word(query)} 0 {_word(unit)} {grade}\n"
            for query, grades in qrels.items()
            for unit, grade in grades.items()
        ),
    )


def check_writable(path: Path) -> Path:
    """Returns the path of a file that is to be written after a long run.

    Raises:
        InvalidArgumentError: It is a folder, or its folder is missing.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InvalidArgumentError(f"{path} can't be written: name a file in a folder that is there")
    return path


def _write(path: Path, lines: Iterable[str]) -> None:
    try:
        with check_writable(path).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(lines)
    except OSError as err:
        raise InvalidArgumentError(f"{path} can't be written ({err.strerror}): name another file") from err


def _word(name: str) -> str:
    """Returns an id without whitespace, which separates the columns."""
    return _UNWRITABLE.sub(lambda match: f"%{ord(match[0]):02X}", name) if re.search(r"\s", name) else name

"""Runs and judgements as files that trec_eval and ir-measures read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...errors import InvalidArgumentError
from ...output_file import check_writable
from .corpus import Qrels

__all__ = ["write_qrels", "write_run"]

TAG = "lateral"
# What separates columns, what ends a text in C, and what UTF-8 does not have.
_UNWRITABLE = re.compile(r"[\s%\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def write_run(path: Path, rankings: Mapping[str, Sequence[str]]) -> None:
    """Writes a TREC run: query, Q0, unit, rank, score and tag a line.

    Scores are whole numbers that fall by 1 from rank to rank, since trec_eval sorts by score and breaks ties its own
    way. Whitespace in an id is written %20 and so on, and a % as %25, as in `write_qrels`.

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


def _write(path: Path, lines: Iterable[str]) -> None:
    try:
        with check_writable(path).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(lines)
    except OSError as err:
        raise InvalidArgumentError(
            f"{str(path)!r} can't be written ({err.strerror or err}): name another file"
        ) from err


def _word(name: str) -> str:
    """Returns an id as one column, and another one for every other id: RFC 3986's percent encoding of UTF-8 bytes."""
    return _UNWRITABLE.sub(
        lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass")), name
    )

"""Lines of corpus files: decoded, parsed, and told with file and line where they can't be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import InvalidArgumentError

__all__ = ["check_id", "check_text", "identifier", "read_lines", "read_objects"]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")

SHOWN = 60  # characters of a line in an error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line number, line without its line end) of a UTF-8 file; blank lines are left out.

    A byte order mark is skipped, and lines may end in CRLF.

    Raises:
        InvalidArgumentError: The file can't be read, or a line is no UTF-8; names both.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = _decoded(path, number, raw).rstrip("\r\n")
                if line.strip():
                    yield number, line
    except OSError as err:
        raise InvalidArgumentError(f"{path} can't be read ({err.strerror}): check its path and its rights") from err


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line number, object) of a file with one JSON object a line.

    Raises:
        InvalidArgumentError: The file can't be read, or a line is no JSON object; names file and line.
    """
    for number, line in read_lines(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as err:
            raise InvalidArgumentError(
                f"{path}, line {number}: expected a JSON object, got {line[:SHOWN]!r} ({err})"
            ) from err
        if not isinstance(row, dict):
            raise InvalidArgumentError(f"{path}, line {number}: expected a JSON object, got {line[:SHOWN]!r}")
        yield number, row


def identifier(row: dict[str, Any], key: str, where: str) -> str:
    """Returns an id as text; whole numbers are taken too.

    Args:
        row: The object.
        key: Where the id stands in it.
        where: File and line, for the error.

    Raises:
        InvalidArgumentError: It is missing, empty or neither text nor a whole number, or holds what no id does.
    """
    value = row.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError(f"{where}: expected {key!r} with an id, got {value!r:.60}")
    return check_id(value, where)


def check_id(name: str, where: str) -> str:
    """Returns an id unchanged.

    Raises:
        InvalidArgumentError: It holds control characters or half a character, which files of runs can't.
    """
    if _CONTROLS.search(name):
        raise InvalidArgumentError(f"{where}: the id {name!r:.60} holds control characters")
    return check_text(name, where)


def check_text(text: str, where: str) -> str:
    """Returns a text unchanged.

    Raises:
        InvalidArgumentError: It holds a lone surrogate, half a character, which no encoding has.
    """
    if found := _SURROGATES.search(text):
        raise InvalidArgumentError(f"{where}: {text!r:.60} holds half a character ({found[0]!r}): write it whole")
    return text


def _decoded(path: Path, number: int, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as err:
        raise InvalidArgumentError(f"{path}, line {number}: is no UTF-8 ({err.reason}): convert the file") from err

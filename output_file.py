"""Files that are written at the end of some work: checked before it, and never written over unasked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .errors import InvalidArgumentError

__all__ = ["check_free", "check_writable", "write_file"]


def check_writable(path: Path) -> Path:
    """Returns the path of a file that is to be written after a long run.

    Raises:
        InvalidArgumentError: It is a folder, its folder is missing, or it may not be written there.
    """
    place = path.absolute()
    if os.path.isdir(place) or not os.path.isdir(place.parent):
        raise InvalidArgumentError(f"{str(path)!r} can't be written: name a file in a folder that is there")
    try:
        os.stat(place)
    except FileNotFoundError:
        place = place.parent
    except OSError as err:
        raise InvalidArgumentError(f"{str(path)!r} can't be written ({err.strerror}): name another file") from err
    if not os.access(place, os.W_OK, effective_ids=True):
        raise InvalidArgumentError(f"{str(path)!r} can't be written (permission denied): name a file elsewhere")
    return path


def check_free(path: Path, *, force: bool, flag: str, suffixes: Sequence[str] = ()) -> Path:
    """Returns the path of a file that can be written and is not there yet, before anything expensive is done.

    Args:
        path: The file.
        force: Whether one that is there may be replaced.
        flag: The option that names it, for the error.
        suffixes: What its name must end with; empty for anything.

    Raises:
        InvalidArgumentError: It is there already, can't be written, or its name ends otherwise.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        raise InvalidArgumentError(f"{flag} writes {' or '.join(suffixes)}, got {path.name!r:.80}")
    check_writable(path)
    if not force and os.path.lexists(path):
        raise _taken(path, flag)
    return path


def write_file(path: Path, content: str | bytes, *, force: bool, flag: str) -> None:
    r"""Writes a file, text as UTF-8 with "\n" line ends as they are: whole, or not at all.

    Args:
        path: The file.
        content: What it is to hold; of a text, what UTF-8 has not becomes "?".
        force: Whether one that is there is replaced.
        flag: The option that names it, for the error.

    Raises:
        InvalidArgumentError: It is there already, or can't be written.
    """
    check_free(path, force=force, flag=flag)
    raw = content.encode("utf-8", errors="replace") if isinstance(content, str) else content
    try:
        if force and path.is_file():
            _replace(path.resolve(), raw)
        else:
            _write_new(path, raw, mode="wb" if force else "xb")
    except FileExistsError as err:  # it came since the check
        raise _taken(path, flag) from err
    except OSError as err:
        raise InvalidArgumentError(
            f"{str(path)!r} can't be written ({err.strerror or err}): name another file with {flag}"
        ) from err


def _write_new(path: Path, raw: bytes, *, mode: str) -> None:
    """Writes a file that was not there; a device may be."""
    with open(path, mode) as file:  # one that is there raises here, and is not ours to remove
        try:
            file.write(raw)
            file.flush()
        except BaseException:
            if path.is_file():
                path.unlink()
            raise


def _replace(path: Path, raw: bytes) -> None:
    """Puts a file in another's place, which stays as it is until then."""
    import shutil
    import tempfile

    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".lateral-")
    except PermissionError:  # the file may be written, and its folder not
        path.write_bytes(raw)
        return
    try:
        with open(descriptor, "wb") as file:
            file.write(raw)
        shutil.copymode(path, name)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _taken(path: Path, flag: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{str(path)!r} is there already: name another file with {flag}, or add --force to replace it"
    )

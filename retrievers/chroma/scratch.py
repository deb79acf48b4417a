"""Temporary folders that outlive no process: the next one to make its own removes what killed ones have left."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["keep_scratch", "scratch_folder"]

PREFIX = "lateral-chroma-"
NEW_SECONDS = 60.0  # a younger folder may be about to be locked by who has made it


def keep_scratch(owner: object) -> tuple[Path, weakref.finalize[[Path, int, int], object]]:
    """Returns a new temporary folder, and what removes it: when called, or with its owner.

    The folder is locked for as long as its process lives, however that ends. Folders of processes that have ended are
    removed first.

    Args:
        owner: What needs it.

    Raises:
        OSError: The temporary folder can't be written.
    """
    folder, lock = _make()
    return folder, weakref.finalize(owner, _remove, folder, lock, os.getpid())


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Gives such a folder, and removes it at the end.

    Raises:
        OSError: The temporary folder can't be written.
    """
    folder, lock = _make()
    owner = os.getpid()
    try:
        yield folder
    finally:
        _remove(folder, lock, owner)


def _make() -> tuple[Path, int]:
    """Returns a new folder, and the descriptor that holds its lock; a process that is forked off holds it too."""
    _remove_left()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with suppress(OSError):  # where folders can't be locked nobody gets a lock, and what is left stays
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return folder, lock


def _remove(folder: Path, lock: int, owner: int) -> None:
    if os.getpid() == owner:  # a forked process leaves its parent's files alone
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_left() -> None:
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and _is_left(entry):
                _remove_unlocked(Path(entry.path))


def _is_left(entry: os.DirEntry[str]) -> bool:
    """Returns whether an entry is a folder of this user that is not new: others' folders have names like ours, too."""
    with suppress(OSError):
        status = entry.stat(follow_symlinks=False)
        is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        return is_ours and time.time() - status.st_mtime > NEW_SECONDS
    return False


def _remove_unlocked(folder: Path) -> None:
    with suppress(OSError):  # another process has removed it
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while its process lives
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)

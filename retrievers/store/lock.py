"""The writer's lock: held while writing, freed by the kernel when its process ends, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import IndexLockedError

__all__ = ["write_lock"]

LOCK_FILE = "write.lock"
OWNER_FILE = "writer.pid"


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Holds the index's write lock.

    Raises:
        IndexLockedError: Someone else holds it; raised at once, with the holder's process id where it is known.
    """
    lock = FileLock(folder / LOCK_FILE, thread_local=False)
    owner = folder / OWNER_FILE
    try:
        lock.acquire(timeout=0)
    except Timeout as err:
        pid = owner.read_text(encoding="utf-8") if owner.is_file() else "unknown"
        raise IndexLockedError(f"process {pid} is writing to the index at '{folder}': wait until it has ended") from err
    try:
        owner.write_text(str(os.getpid()), encoding="utf-8")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()

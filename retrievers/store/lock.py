"""The writer's lock: held while writing, freed by the kernel when its process ends, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import IndexLockedError
from .storage import storage_error, write_note

__all__ = ["LOCK_FILE", "OWNER_FILE", "write_lock", "writer_pid"]

LOCK_FILE = "write.lock"
OWNER_FILE = "writer.pid"


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Holds the index's write lock.

    Raises:
        IndexLockedError: Someone else holds it; raised at once, with the holder's process id where it is known.
        StorageError: The lock can't be made.
    """
    lock = FileLock(folder / LOCK_FILE, thread_local=False)
    owner = folder / OWNER_FILE
    try:
        lock.acquire(timeout=0)
    except Timeout as err:
        pid = writer_pid(folder)
        own = "another thread of this process" if pid == os.getpid() else f"process {pid}"
        holder = own if pid else "another process"
        raise IndexLockedError(f"{holder} is writing to the index at '{folder}': wait until it has ended") from err
    except OSError as err:
        raise storage_error(folder, err) from err
    try:
        with suppress(OSError):  # on a full disk the holder has no name; whether it can write, its first change shows
            write_note(owner, f"{os.getpid()} {_started(os.getpid())}")
        yield
    finally:
        with suppress(OSError):  # the lock is freed all the same; a name that is left is that of no living process
            owner.unlink()
        lock.release()


def writer_pid(folder: Path) -> int | None:
    """Returns the process id of the living process that writes to the index, None when there is none."""
    try:
        owner, _, started = (folder / OWNER_FILE).read_text(encoding="utf-8").partition(" ")
        pid = int(owner)
    except (OSError, ValueError):  # there is none, or it has just begun
        return None
    if pid < 1:  # several processes, to the kernel
        return None
    if started and _started(pid) not in ("", started):  # it was killed, and another process has its number now
        return None
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # it was killed, or no process can have the number
        return None
    except PermissionError:  # it is another user's
        return pid
    return pid


def _started(pid: int) -> str:
    """Returns when a process began, in the kernel's ticks, "" where nobody says so; see proc_pid_stat(5), field 22."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""

"""What the disk refuses, in words: the path, the reason and what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ...errors import StorageError

__all__ = ["FREE_SPACE", "GIVE_RIGHTS", "NAME_FOLDER", "SPACE_OR_DISK", "storage_error", "write_note"]

FREE_SPACE = "free some space, then run the same command again: what was acknowledged is kept"
GIVE_RIGHTS = "give this user the right to do so, or name an index elsewhere"
NAME_FOLDER = "name a folder, or a path where one can be made"
SPACE_OR_DISK = f"{FREE_SPACE}; if there is space, check the disk"  # a short write does not say why

ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), FREE_SPACE),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR, errno.ENOENT, errno.ENAMETOOLONG), NAME_FOLDER),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), GIVE_RIGHTS),
}


def storage_error(path: Path, err: OSError, done: str = "written") -> StorageError:
    """Returns the error for a file or folder of the index that the system refused.

    Args:
        path: What was refused.
        err: Why.
        done: What can't be done to it: "read" or "written".
    """
    return StorageError(f"'{path}' can't be {done}: {err.strerror or err}: {ADVICE.get(err.errno or 0, SPACE_OR_DISK)}")


def write_note(path: Path, text: str, *, lasting: bool = False) -> None:
    """Writes a small file of the index, over what it held; never through a link, as a folder from elsewhere may hold.

    Args:
        path: Which.
        text: ASCII.
        lasting: Whether to return only when it is on the disk.

    Raises:
        OSError: It can't be written, or is a link.
    """
    with open(path, "w", encoding="ascii", opener=_unlinked) as file:
        file.write(text)
        if lasting:
            file.flush()
            os.fsync(file.fileno())


def _unlinked(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)  # less the umask, as any file

"""Reading a file that SQLite has open in this process."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from .segments import hash_file

__all__ = ["hash_held"]

DESCRIPTORS = "/dev/fd"
BLOCK_BYTES = 1 << 20


def hash_held(path: Path) -> str:
    """Returns a file's SHA-256, read through a descriptor that this process has open already, if it has one.

    To open and close another one would drop every lock that the process holds on the file, those of SQLite's
    connections too: another program that looks into the catalog would take itself for its last user and remove the log
    under them, and all that is committed later would go with it.

    Source:
        sqlite.org/howtocorrupt.html, section 2.2; fcntl(2), "Advisory record locking".
    """
    while (descriptor := _held(path)) is not None:
        digest, at = hashlib.sha256(), 0
        try:
            while block := os.pread(descriptor, BLOCK_BYTES, at):
                digest.update(block)
                at += len(block)
            if _is_of(descriptor, path):  # nobody closed it meanwhile
                return digest.hexdigest()
        except OSError:
            if _is_of(descriptor, path):
                raise
    return hash_file(path)


def _held(path: Path) -> int | None:
    try:
        names = os.listdir(DESCRIPTORS)
    except OSError:  # the system has no such folder
        return None
    return next((int(name) for name in names if name.isdigit() and _is_of(int(name), path)), None)


def _is_of(descriptor: int, path: Path) -> bool:
    """Returns whether a descriptor is open, and reads this file."""
    try:
        os.pread(descriptor, 1, 0)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False

"""The names in a ZIP archive's directory, read without unpacking anything."""

from __future__ import annotations

import os
import struct
from typing import IO

__all__ = ["member_names"]

MAX_DIRECTORY_BYTES = 1 << 20  # ten thousand members; the rest of a longer directory tells no more
_END = struct.Struct("<4s4xHHII")  # its mark, the counts of members, the directory's size and place
_END_MARK = b"PK\x05\x06"
END_BYTES = 22
MAX_COMMENT_BYTES = 0xFFFF
_ENTRY_MARK = b"PK\x01\x02"
_ENTRY_LENGTHS = struct.Struct("<HHH")  # of the name, the extra field and the comment
LENGTHS_AT = 28
ENTRY_BYTES = 46


def member_names(stream: IO[bytes]) -> frozenset[str]:
    """Returns the names of an archive's members; those that can be read where it is damaged, or none.

    Args:
        stream: The file, open for reading.

    Raises:
        OSError: It can't be read.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - END_BYTES - MAX_COMMENT_BYTES))
    tail = stream.read(END_BYTES + MAX_COMMENT_BYTES)
    at = tail.rfind(_END_MARK)
    if at < 0 or len(tail) - at < END_BYTES:
        return frozenset()
    length = _END.unpack_from(tail, at)[3]
    # Measured from the end: something may stand before the archive.
    stream.seek(max(0, size - len(tail) + at - length))
    return frozenset(_names(stream.read(min(length, MAX_DIRECTORY_BYTES))))


def _names(directory: bytes) -> list[str]:
    names = []
    at = 0
    while directory[at : at + 4] == _ENTRY_MARK and len(directory) - at >= ENTRY_BYTES:
        length, extra, comment = _ENTRY_LENGTHS.unpack_from(directory, at + LENGTHS_AT)
        name = directory[at + ENTRY_BYTES : at + ENTRY_BYTES + length]
        if len(name) == length:  # the last one may be cut
            names.append(name.decode("utf-8", "replace"))
        at += ENTRY_BYTES + length + extra + comment
    return names

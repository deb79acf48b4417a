"""The files under a path: which are read, which are not, and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ..errors import (
    EmptyDocumentError,
    InvalidArgumentError,
    LimitExceededError,
    SourceRootError,
    UnsafePathError,
    UnsupportedFormatError,
)
from .failure import error_of, failure_of
from .limits import check_size
from .node import LoadFailure
from .sniff import HEAD_BYTES, Format, old_office, sniff, unread_format
from .zip_directory import member_names

__all__ = ["Found", "Paths", "SkippedFile", "SourceFile", "find_file", "open_regular", "walk"]

CATALOG_NAME = "catalog.sqlite"
SQLITE_MARK = b"SQLite format 3\0"
ZIP_MARK = b"PK"
LOOSE_TYPES = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a loader reads, as it was found.

    Args:
        path: Absolute path.
        format: What it is read as.
        size: Bytes.
        mtime_ns: When its content changed, in nanoseconds since 1970.
        ctime_ns: When its content or its entry changed, in nanoseconds since 1970.
    """

    path: str
    format: Format
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file or folder that is not read on purpose.

    Args:
        source: Absolute path. A folder stands for all that is in it.
        reason: Why.
    """

    source: str
    reason: str


Found: TypeAlias = SourceFile | SkippedFile | LoadFailure
Paths: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def walk(paths: Paths) -> Iterator[Found]:
    """Yields the files at and under the paths, sorted by name folder by folder, each once.

    Hidden files and folders are skipped, and so are formats nobody reads, pipes, sockets and devices (never opened),
    and index directories. A link to a file in the same folder tree is read under its own name; one to a folder in it is
    skipped, since that folder is walked anyway; one that leads out of the tree is a failure. A path that is given by
    name is read even if it is hidden or a link.

    Args:
        paths: One path or several; files or folders.

    Raises:
        SourceRootError: A path does not exist or can't be read; raised before anything is yielded.
    """
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    roots = [os.path.abspath(os.path.expanduser(path)) for path in listed]
    for root in roots:
        _check_root(root)
    return _walk_roots(roots)


def find_file(path: str | os.PathLike[str]) -> SourceFile:
    """Returns the file at a path, as `walk` finds it.

    Args:
        path: Of one file.

    Raises:
        SourceRootError: It does not exist or can't be read.
        InvalidArgumentError: It is a folder.
        DocumentError: No loader reads it, or it is empty, too large or unreadable.
    """
    root = os.path.abspath(os.path.expanduser(path))
    _check_root(root)
    if os.path.isdir(root):
        raise InvalidArgumentError(f"one file is asked for, and {root!r} is a folder: name a file in it")
    found = _named_file(root)
    if isinstance(found, SourceFile):
        return found
    raise error_of(found)


def open_regular(path: str) -> int:
    """Returns a descriptor of a regular file. A pipe or device that took its place is not waited for.

    Args:
        path: Where it is.

    Raises:
        OSError: It can't be opened, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path!r} is no regular file any more")
    return descriptor


def _check_root(root: str) -> None:
    try:
        if stat.S_ISDIR(os.stat(root).st_mode):
            os.scandir(root).close()
    except FileNotFoundError as err:
        raise SourceRootError(
            f"there is no file or folder {root!r}: check the path, or whether a disk is missing"
        ) from err
    except OSError as err:
        raise SourceRootError(f"{root!r} can't be read ({err.strerror}): check its permissions") from err


def _walk_roots(roots: Sequence[str]) -> Iterator[Found]:
    seen: set[str] = set()
    for root in roots:
        for item in _walk_root(root):
            path = item.path if isinstance(item, SourceFile) else item.source
            if path not in seen:
                seen.add(path)
                yield item


def _walk_root(root: str) -> Iterator[Found]:
    if _is_text(root) and os.path.isdir(root):
        yield from _walk_folder(root)
    else:
        yield _named_file(root)


def _named_file(path: str) -> SourceFile | LoadFailure:
    if not _is_text(path):
        return _unsafe_name(path)
    found = _file(path)
    if isinstance(found, SkippedFile):
        reason = f"{found.reason}: lateral reads text, Markdown, HTML, PDF, Word, PowerPoint, Excel and image files"
        return failure_of(UnsupportedFormatError(reason), path)
    return found


def _walk_folder(root: str) -> Iterator[Found]:
    if _is_index(root):
        yield SkippedFile(root, "an index of lateral")
        return
    real_root = os.path.realpath(root)
    stack = [root]
    while stack:
        path = stack.pop()
        if path != root:
            outcome = _entry(path, real_root)
            if outcome is not None:
                yield outcome
                continue
        try:
            names = sorted(os.listdir(path), reverse=True)
        except OSError as err:
            yield _failure(path, err)
            continue
        stack.extend(os.path.join(path, name) for name in names)


def _entry(path: str, real_root: str) -> Found | None:
    """Returns what an entry of a folder is, or None for a folder to walk."""
    name = os.path.basename(path)
    if not _is_text(path):
        return _unsafe_name(path)
    try:
        mode = os.lstat(path).st_mode
        if name.startswith("."):
            return SkippedFile(path, "hidden folder" if stat.S_ISDIR(mode) else "hidden file")
        if stat.S_ISLNK(mode):
            return _link(path, real_root)
    except OSError as err:
        return _failure(path, err)
    if not stat.S_ISDIR(mode):
        return _file(path)
    return SkippedFile(path, "an index of lateral") if _is_index(path) else None


def _link(path: str, real_root: str) -> Found:
    target = os.path.realpath(path)
    try:
        os.lstat(target)
    except FileNotFoundError:
        reason = f"the link's target does not exist: {target!r}; remove the link, or put the file back"
        return LoadFailure(path, None, FileNotFoundError.__name__, reason)
    if os.path.commonpath([target, real_root]) != real_root:
        reason = f"the link leads out of the folder, to {target!r}: add that path by its own name if it is wanted"
        return failure_of(UnsafePathError(reason), path)
    if os.path.isdir(path):
        return SkippedFile(path, f"a link to the folder {target!r}, which is read under its own name")
    return _file(path)


def _file(path: str) -> Found:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return SkippedFile(path, LOOSE_TYPES.get(stat.S_IFMT(status.st_mode), "no regular file"))
        head, parts = _look(path)
    except OSError as err:
        return _failure(path, err)
    suffix = Path(path).suffix
    kind = sniff(head, suffix, parts=parts)
    if kind is None:
        advice = old_office(head, suffix)
        return (
            failure_of(UnsupportedFormatError(advice), path)
            if advice
            else SkippedFile(path, unread_format(head, suffix))
        )
    if status.st_size == 0:
        return failure_of(EmptyDocumentError("the file is empty: it has 0 bytes"), path)
    try:
        check_size(status.st_size, path)
    except LimitExceededError as err:
        return failure_of(err, path)
    return SourceFile(path, kind, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _look(path: str) -> tuple[bytes, frozenset[str]]:
    """Returns a file's first bytes and, where it is an archive, the names of its members."""
    with open(open_regular(path), "rb") as stream:
        head = stream.read(HEAD_BYTES)
        return head, member_names(stream) if head.startswith(ZIP_MARK) else frozenset()


def _is_index(folder: str) -> bool:
    catalog = os.path.join(folder, CATALOG_NAME)
    try:
        with open(open_regular(catalog), "rb") as stream:
            return stream.read(len(SQLITE_MARK)) in (SQLITE_MARK, b"")
    except OSError:
        return False


def _failure(path: str, err: OSError) -> LoadFailure:
    return LoadFailure(path, None, type(err).__name__, f"can't be read: {err.strerror or err}")


def _unsafe_name(path: str) -> LoadFailure:
    shown = path.encode("utf-8", "backslashreplace").decode()
    return failure_of(UnsafePathError("the name is not valid UTF-8: rename it"), shown)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True

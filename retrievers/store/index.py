"""The index directory: one writer, many readers."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...errors import StoreError
from .lock import LOCK_FILE, OWNER_FILE, write_lock
from .schema import CATALOG, connect_reader, connect_writer, holds_index, is_frozen, named_errors, read_identity
from .seal import close_catalog, mark_damage
from .snapshot import GenerationCache, Snapshot
from .storage import storage_error
from .writer import Writer

__all__ = ["Index"]

LEFT_BY_FIRST_WRITER = {LOCK_FILE, OWNER_FILE}  # what a writer killed before it made the catalog may leave


class Index:
    """An index directory. Opening one reads nothing; reading one never writes.

    Threads may share an `Index`, and so may a process and the ones it forks: each thread has a connection of its own.

    Args:
        folder: The directory, made by the first writer.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self._catalog = self.folder / CATALOG
        self._local = threading.local()
        self._lock = threading.Lock()
        self._view = _View(GenerationCache())

    def exists(self) -> bool:
        """Returns whether the directory holds a catalog."""
        return holds_index(self.folder)

    @contextmanager
    def read(self) -> Iterator[Snapshot]:
        """Gives one consistent view of the index. Nested calls in one thread share the outermost view.

        Raises:
            IndexNotFoundError: There is no index here, or it is empty.
            IndexVersionError: A newer lateral wrote it.
            IndexCorruptError: The catalog is damaged.
            StorageError: The directory can't be read.
        """
        current: Snapshot | None = getattr(self._local, "snapshot", None)
        if current is not None:
            yield current
            return
        with named_errors(self.folder):
            connection, cache = self._reader()
            connection.execute("BEGIN")
            try:
                self._local.snapshot = Snapshot(self.folder, connection, cache)
                yield self._local.snapshot
            finally:
                self._local.snapshot = None
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """Gives the index's one writer; its lock is held until the block ends.

        A read inside the block sees what has been committed, also where the block itself stands inside a read.

        Raises:
            IndexLockedError: Someone else is writing.
            StorageError: The disk is full, or the directory can't be made or written.
            StoreError: The directory holds other files.
            IndexVersionError: A newer lateral wrote the index.
            IndexCorruptError: The catalog is damaged.
        """
        self._make_folder()
        with write_lock(self.folder), named_errors(self.folder):
            connection = connect_writer(self.folder)
            try:
                mark_damage(self.folder, connection)
                writer = Writer(self.folder, connection)
                writer.remove_leftovers()
                with self._reading_anew():
                    yield writer
            finally:
                close_catalog(self.folder, connection)

    def close(self) -> None:
        """Lets go of the index's files: this thread's at once, another thread's when it next reads or ends.

        What was derived from them goes at once.
        """
        with self._lock:
            self._view.cache.clear()
            self._view = _View(GenerationCache())
        opened: _Opened | None = getattr(self._local, "opened", None)
        if opened is not None and getattr(self._local, "snapshot", None) is None:
            self._local.opened = None
            opened.connection.close()

    @contextmanager
    def _reading_anew(self) -> Iterator[None]:
        """Sets the view aside that this thread reads in: what is derived of it would be of an older generation."""
        outer: tuple[Snapshot | None, _Opened | None] = (
            getattr(self._local, "snapshot", None),
            getattr(self._local, "opened", None),
        )
        if outer[0] is None:
            yield
            return
        self._local.snapshot = self._local.opened = None
        try:
            yield
        finally:
            inner: tuple[Snapshot | None, _Opened | None] = self._local.snapshot, self._local.opened
            self._local.snapshot, self._local.opened = outer
            if inner[0] is None and inner[1] is not None:
                inner[1].connection.close()

    def _reader(self) -> tuple[sqlite3.Connection, GenerationCache]:
        """Returns this thread's connection, a new one when the catalog is another file than it was."""
        try:
            status = self._catalog.stat()
        except (OSError, ValueError):
            connect_reader(self.folder).close()  # says why there is none; there is one now where it was just made
            return self._reader()
        file = (os.getpid(), status.st_dev, status.st_ino)
        opened: _Opened | None = getattr(self._local, "opened", None)
        if opened is None or opened.view is not self._view or opened.view.file != file or is_frozen(self.folder):
            connection = connect_reader(self.folder)
            opened = self._local.opened = _Opened(self._view_of(file, read_identity(connection)), connection)
        return opened.connection, opened.view.cache

    def _view_of(self, file: tuple[int, int, int], identity: str) -> _View:
        """Returns the view of a catalog that has been opened, a new one where it is another than it was."""
        with self._lock:
            if (self._view.file, self._view.identity) != (file, identity):
                self._view = _View(GenerationCache(), file, identity)
            return self._view

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            entries = {entry.name for entry in self.folder.iterdir()}
        except OSError as err:
            raise storage_error(self.folder, err) from err
        if not self.exists() and (foreign := entries - LEFT_BY_FIRST_WRITER):
            raise StoreError(
                f"'{self.folder}' is no index and holds other files (such as '{min(foreign)}'): "
                "name a new or an empty folder for the index"
            )


@dataclass(frozen=True, slots=True)
class _View:
    """What was derived from a catalog file, and which that is.

    Args:
        cache: What was derived.
        file: The process that read it, the file's device and inode; None before the first read.
        identity: The name of the index: once a file is removed and closed, the next one may get its inode.
    """

    cache: GenerationCache
    file: tuple[int, int, int] | None = None
    identity: str = ""


@dataclass(frozen=True, slots=True)
class _Opened:
    """A thread's connection. It is closed when the thread ends, or when it reads another view: never under a reader."""

    view: _View
    connection: sqlite3.Connection

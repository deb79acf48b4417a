"""The index directory: one writer, many readers."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import StoreError
from .lock import LOCK_FILE, OWNER_FILE, write_lock
from .schema import CATALOG, connect_reader, connect_writer, holds_index, named_corruption
from .snapshot import GenerationCache, Snapshot
from .writer import Writer

__all__ = ["Index"]

LEFT_BY_FIRST_WRITER = {LOCK_FILE, OWNER_FILE, "vectors"}  # what a writer killed before its first commit may leave


class Index:
    """An index directory. Opening one reads nothing; reading one never writes.

    Threads may share an `Index`: each gets a connection of its own. A process that forks must open its own.

    Args:
        folder: The directory, made by the first writer.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self._cache = GenerationCache()
        self._local = threading.local()
        self._identity: int | None = None
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[sqlite3.Connection] = weakref.WeakSet()

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
        """
        current: Snapshot | None = getattr(self._local, "snapshot", None)
        if current is not None:
            yield current
            return
        connection = self._reader()
        with named_corruption(self.folder):
            connection.execute("BEGIN")
            try:
                self._local.snapshot = Snapshot(self.folder, connection, self._cache)
                yield self._local.snapshot
            finally:
                self._local.snapshot = None
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """Gives the index's one writer; its lock is held until the block ends.

        Raises:
            IndexLockedError: Someone else is writing.
            StoreError: The directory holds other files, or can't be made.
            IndexVersionError: A newer lateral wrote the index.
            IndexCorruptError: The catalog is damaged.
        """
        self._make_folder()
        with write_lock(self.folder), named_corruption(self.folder):
            connection = connect_writer(self.folder)
            try:
                writer = Writer(self.folder, connection)
                writer.remove_leftovers()
                yield writer
            finally:
                _move_log(connection)
                connection.close()

    def close(self) -> None:
        """Closes this object's connections; it opens new ones when it is used again."""
        for connection in list(self._connections):
            connection.close()
        self._connections.clear()
        self._local = threading.local()

    def _reader(self) -> sqlite3.Connection:
        """Returns this thread's connection, a new one when the catalog is another file than it was."""
        if not self.exists():
            return connect_reader(self.folder)  # raises
        identity = (self.folder / CATALOG).stat().st_ino
        with self._lock:
            if identity != self._identity:
                self.close()
                self._identity, self._cache = identity, GenerationCache()
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect_reader(self.folder)
            self._local.connection = connection
            self._connections.add(connection)
        return connection

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            entries = {entry.name for entry in self.folder.iterdir()}
        except OSError as err:
            raise StoreError(f"'{self.folder}' can't be made an index: {err}") from err
        if not self.exists() and (foreign := entries - LEFT_BY_FIRST_WRITER):
            raise StoreError(
                f"'{self.folder}' is no index and holds other files (such as '{min(foreign)}'): "
                "name a new or an empty folder for the index"
            )


def _move_log(connection: sqlite3.Connection) -> None:
    """Moves the log into the catalog file, so that a plain copy of the folder is a backup; waits for no reader.

    What fails here (a full disk, a reader) costs nothing: the log is as durable as the catalog file.
    """
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

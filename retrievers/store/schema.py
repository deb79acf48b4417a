"""The catalog's tables, their version, and how a connection to it is opened."""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import quote

from ...errors import IndexCorruptError, IndexNotFoundError, IndexVersionError, StorageError, StoreError
from .lock import LOCK_FILE, OWNER_FILE
from .storage import FREE_SPACE, GIVE_RIGHTS, SPACE_OR_DISK, storage_error

__all__ = [
    "APPLICATION_ID",
    "CATALOG",
    "SCHEMA_VERSION",
    "VECTORS",
    "connect_reader",
    "connect_writer",
    "decodes",
    "holds_index",
    "is_frozen",
    "named_errors",
    "read_identity",
]

P = ParamSpec("P")
T = TypeVar("T")

CATALOG = "catalog.sqlite"
VECTORS = "vectors"
APPLICATION_ID = 0x6C617465  # "late": tells our catalogs from other SQLite files
SCHEMA_VERSION = 1
HELD = ("SQLITE_BUSY", "SQLITE_LOCKED")
REFUSED = {  # by the beginning of SQLite's name for it: the system's trouble, not the file's
    "SQLITE_FULL": FREE_SPACE,
    "SQLITE_IOERR": SPACE_OR_DISK,
    "SQLITE_READONLY": GIVE_RIGHTS,
    "SQLITE_PERM": GIVE_RIGHTS,
    "SQLITE_CANTOPEN": GIVE_RIGHTS,
}
BUSY_TIMEOUT_MS = 5_000  # how long a connection waits while another one recovers or checkpoints the log

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE spaces (
        id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, dim INTEGER NOT NULL, format TEXT NOT NULL,
        UNIQUE (fingerprint, format))""",
    """CREATE TABLE retrievers (
        name TEXT PRIMARY KEY, position INTEGER NOT NULL, settings TEXT NOT NULL,
        space_id INTEGER REFERENCES spaces(id)) WITHOUT ROWID""",
    """CREATE TABLE documents (
        id TEXT PRIMARY KEY, source TEXT NOT NULL UNIQUE, content_hash TEXT NOT NULL,
        size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, metadata TEXT NOT NULL,
        warnings TEXT NOT NULL, stale TEXT)""",
    """CREATE TABLE nodes (
        id TEXT PRIMARY KEY, document_id TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
        position INTEGER NOT NULL, page INTEGER, kind TEXT NOT NULL, text TEXT NOT NULL,
        start_char INTEGER NOT NULL, end_char INTEGER NOT NULL, metadata TEXT NOT NULL, text_hash BLOB)""",
    "CREATE INDEX nodes_by_document ON nodes (document_id, position)",
    "CREATE INDEX nodes_by_kind ON nodes (kind, id, text_hash)",
    "CREATE INDEX nodes_by_text ON nodes (text_hash) WHERE text_hash IS NOT NULL",
    """CREATE TABLE segments (
        id INTEGER PRIMARY KEY AUTOINCREMENT, space_id INTEGER NOT NULL REFERENCES spaces(id),
        file TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL,
        loss REAL NOT NULL)""",
    """CREATE TABLE vectors (
        space_id INTEGER NOT NULL REFERENCES spaces(id), text_hash BLOB NOT NULL,
        segment_id INTEGER NOT NULL REFERENCES segments(id), row INTEGER NOT NULL, count INTEGER NOT NULL,
        cut INTEGER NOT NULL, PRIMARY KEY (space_id, text_hash)) WITHOUT ROWID""",
    "CREATE INDEX vectors_by_segment ON vectors (segment_id)",
    "CREATE TABLE retired (path TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
    """CREATE TABLE derived (
        name TEXT PRIMARY KEY, generation INTEGER NOT NULL, folder TEXT NOT NULL, files TEXT NOT NULL) WITHOUT ROWID""",
    "INSERT INTO meta VALUES ('generation', '0')",
)


def holds_index(folder: Path) -> bool:
    """Returns whether the folder has a catalog file of its own, whatever its state.

    Raises:
        StorageError: The folder can't be looked into.
    """
    try:
        return (folder / CATALOG).is_file()
    except OSError as err:
        raise storage_error(folder, err, "read") from err


def connect_reader(folder: Path) -> sqlite3.Connection:
    """Returns a connection that cannot write.

    Raises:
        IndexNotFoundError: There is no catalog, or its first writer ended before it was laid out.
        IndexVersionError: A newer lateral wrote it.
        IndexCorruptError: The file is no catalog of ours, or is damaged.
    """
    if not holds_index(folder):
        raise IndexNotFoundError(f"no index at '{folder}': make one with `lateral add FOLDER --index '{folder}'`")
    connection = _connect(folder, "mode=ro&immutable=1" if is_frozen(folder) else "mode=ro")
    try:
        if not _check_version(connection, folder):
            _refuse_truncated(folder)
            raise IndexNotFoundError(f"the index at '{folder}' is empty: add documents with `lateral add FOLDER`")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_writer(folder: Path) -> sqlite3.Connection:
    """Returns a connection for the one writer, with the tables made where they were missing.

    A commit returns when it is on the disk: write-ahead log, synchronous=FULL.

    Raises:
        IndexVersionError: A newer lateral wrote it.
        IndexCorruptError: The file is no catalog of ours, or is damaged.
    """
    connection = _connect(folder, "mode=rwc")
    try:
        laid_out = _check_version(connection, folder)
        if not laid_out:
            _refuse_truncated(folder)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        if not laid_out:
            _lay_out(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def is_frozen(folder: Path) -> bool:
    """Returns whether nobody here can write the catalog and no log stands beside it: only then may SQLite ignore one.

    In a folder that can't be written SQLite can't make the shared memory that reading a log needs.
    """
    if os.access(folder, os.W_OK):
        return False
    log = folder / f"{CATALOG}-wal"
    return not (log.is_file() and log.stat().st_size)


def _connect(folder: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(os.fsencode((folder / CATALOG).absolute()))}?{mode}"
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError as err:
        raise StorageError(f"'{folder / CATALOG}' can't be opened: {err}: {GIVE_RIGHTS}") from err
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


def _check_version(connection: sqlite3.Connection, folder: Path) -> bool:
    """Returns whether the catalog is laid out (True), or still an empty file (False)."""
    with named_errors(folder):
        connection.execute("BEGIN")  # all three of one moment: a first writer may be laying it out
        try:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    if application == 0 and version == 0 and tables == 0:
        return False
    if application != APPLICATION_ID:
        raise IndexCorruptError(f"'{folder / CATALOG}' is an SQLite file of another program, not a lateral catalog")
    if version > SCHEMA_VERSION:
        raise IndexVersionError(
            f"the index at '{folder}' has schema version {version}, and this lateral knows versions up to "
            f"{SCHEMA_VERSION}: upgrade lateral, or make a new index"
        )
    return True


def _refuse_truncated(folder: Path) -> None:
    """Raises where an empty catalog has been a full one: its first writer lays it out before it makes anything else."""
    beside = {entry.name for entry in folder.iterdir() if not entry.name.startswith(CATALOG)}
    if made := beside - {LOCK_FILE, OWNER_FILE}:
        raise IndexCorruptError(
            f"'{folder / CATALOG}' is empty, and '{min(made)}' is beside it: it has been truncated. Bring it back from "
            "a backup, or move the index away and add the documents again"
        )


def read_identity(connection: sqlite3.Connection) -> str:
    """Returns what names this index among all others; "" for one made before that was settled when it was made."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()
    return "" if row is None else str(row[0])


def _lay_out(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in TABLES:
            connection.execute(statement)
        connection.execute("INSERT INTO meta VALUES ('identity', ?)", (json.dumps(uuid.uuid4().hex),))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def named_errors(folder: Path) -> Iterator[None]:
    """Turns what SQLite, or a damaged row, raises into an error that names the file and the way out.

    What other code raises while the index is open, such as an encoder that has a cache in SQLite, passes through.

    Raises:
        IndexCorruptError: The catalog's pages or rows are damaged.
        StorageError: The disk is full, or the catalog can't be read or written.
        StoreError: Another program holds the catalog.
    """
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.DatabaseError as err:
        if not _is_raised_here(err):
            raise
        name = getattr(err, "sqlite_errorname", "")
        if name.startswith(HELD):
            raise StoreError(f"'{folder / CATALOG}' is held by another program: {err}: try again later") from err
        for refused, advice in REFUSED.items():
            if name.startswith(refused):
                raise StorageError(f"'{folder / CATALOG}' can't be read or written: {err}: {advice}") from err
        raise IndexCorruptError(_damaged(folder, err)) from err
    except UnicodeDecodeError as err:  # SQLite can't quote a table's definition that is no text
        if not _is_raised_here(err):
            raise
        raise IndexCorruptError(_damaged(folder, err)) from err


def decodes(read: Callable[P, T]) -> Callable[P, T]:
    """Makes a function that decodes rows raise, for one that no writer has written, what `named_errors` names."""

    @wraps(read)
    def decoded(*args: P.args, **options: P.kwargs) -> T:
        try:
            return read(*args, **options)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as err:
            raise sqlite3.DataError(f"a row does not decode: {err}") from err

    return decoded


def _is_raised_here(err: BaseException) -> bool:
    """Returns whether an error comes from a line of this floor, or from what that calls in C: all of SQLite is."""
    innermost = err.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    module = "" if innermost is None else str(innermost.tb_frame.f_globals.get("__name__"))
    return module.startswith(f"{__package__}.")


def _damaged(folder: Path, err: Exception) -> str:
    return f"'{folder / CATALOG}' is damaged ({err}): move the index away and add the documents again"

"""The catalog's tables, their version, and how a connection to it is opened."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from ...errors import IndexCorruptError, IndexNotFoundError, IndexVersionError, StoreError

__all__ = [
    "APPLICATION_ID",
    "CATALOG",
    "SCHEMA_VERSION",
    "VECTORS",
    "connect_reader",
    "connect_writer",
    "holds_index",
    "is_frozen",
    "named_errors",
]

CATALOG = "catalog.sqlite"
VECTORS = "vectors"
APPLICATION_ID = 0x6C617465  # "late": tells our catalogs from other SQLite files
SCHEMA_VERSION = 1
OUTER_TROUBLE = tuple(f"SQLITE_{name}" for name in ("FULL", "BUSY", "LOCKED", "READONLY", "CANTOPEN", "PERM"))
BUSY_TIMEOUT_MS = 5_000  # how long a connection waits while another one recovers or checkpoints the log

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE spaces (
        id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, dim INTEGER NOT NULL)""",
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
        file TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL)""",
    """CREATE TABLE vectors (
        space_id INTEGER NOT NULL REFERENCES spaces(id), text_hash BLOB NOT NULL,
        segment_id INTEGER NOT NULL REFERENCES segments(id), row INTEGER NOT NULL, cut INTEGER NOT NULL,
        PRIMARY KEY (space_id, text_hash)) WITHOUT ROWID""",
    "CREATE INDEX vectors_by_segment ON vectors (segment_id)",
    "CREATE TABLE retired (path TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
    """CREATE TABLE derived (
        name TEXT PRIMARY KEY, generation INTEGER NOT NULL, folder TEXT NOT NULL, files TEXT NOT NULL) WITHOUT ROWID""",
    "INSERT INTO meta VALUES ('generation', '0')",
)


def holds_index(folder: Path) -> bool:
    """Returns whether the folder has a catalog file of its own, whatever its state.

    Raises:
        StoreError: The folder can't be looked into.
    """
    try:
        return (folder / CATALOG).is_file()
    except OSError as err:
        raise StoreError(f"'{folder}' can't be read: {err.strerror or err}") from err


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
        if not laid_out and any((folder / VECTORS).glob("*")):
            raise IndexCorruptError(
                f"'{folder / CATALOG}' is empty, and there are vectors beside it: it has been truncated. Bring it back "
                "from a backup, or move the index away and add the documents again"
            )
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
    log = folder / f"{CATALOG}-wal"
    return not os.access(folder, os.W_OK) and not (log.is_file() and log.stat().st_size)


def _connect(folder: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(os.fsencode((folder / CATALOG).absolute()))}?{mode}"
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError as err:
        raise StoreError(f"'{folder / CATALOG}' can't be opened: {err}") from err
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


def _check_version(connection: sqlite3.Connection, folder: Path) -> bool:
    """Returns whether the catalog is laid out (True), or still an empty file (False)."""
    with named_errors(folder):
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
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


def _lay_out(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in TABLES:
            connection.execute(statement)
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

    Raises:
        IndexCorruptError: The catalog's pages or rows are damaged.
        StoreError: The disk is full, or the catalog can't be read or written.
    """
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.DatabaseError as err:
        name = getattr(err, "sqlite_errorname", "")
        if name.startswith(OUTER_TROUBLE):
            raise StoreError(f"'{folder / CATALOG}' can't be read or written: {err}") from err
        raise IndexCorruptError(_damaged(folder, err)) from err
    except json.JSONDecodeError as err:
        raise IndexCorruptError(_damaged(folder, err)) from err


def _damaged(folder: Path, err: Exception) -> str:
    return f"'{folder / CATALOG}' is damaged ({err}): move the index away and add the documents again"

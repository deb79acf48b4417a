"""The seal: the hash of the whole catalog file, taken when its writer ends, so that `verify` finds one changed bit.

The node ids prove texts, and SQLite proves its own structure; nothing in the file proves a title, a date or a row's
number. The seal stands in a file beside the catalog, under a token that stands in both: a catalog whose token is gone
has been written to since (a writer takes it out with its first change), and one with another token was not sealed last.
While a writer writes, that file holds the generation of its last commit instead: a catalog that is behind it has lost
commits, as when the log of a writer that was killed is damaged, which SQLite takes for the log's end.
"""

from __future__ import annotations

import logging
import sqlite3
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from .held_file import hash_held
from .schema import CATALOG, decodes
from .storage import write_note

__all__ = ["SEAL_FILE", "Seal", "break_seal", "check_seal", "close_catalog", "mark_damage", "note_generation"]

logger = logging.getLogger(__name__)

# "none": it was written to since, by a writer that was killed, or that could not move its log under a reader.
Seal: TypeAlias = Literal["whole", "none", "changed", "damaged", "foreign", "behind"]

SEAL_FILE = "catalog.seal"
NEW_SEAL_FILE = "catalog.seal.new"
DAMAGED = "damaged"  # in the token's place: the catalog was written to after its bytes had changed, so no seal fits


def check_seal(folder: Path, connection: sqlite3.Connection) -> Seal:
    """Returns what the seal says of the catalog, as this connection's transaction sees it. Reads the whole file.

    A transaction that began on an empty log keeps writers from changing the file; with a log, the file is not checked.
    """
    seal, sha256 = _read_seal(folder, connection)
    if seal != "whole":
        return seal
    if _log_bytes(folder):
        return "none"
    return "whole" if hash_held(folder / CATALOG) == sha256 else "changed"


def break_seal(connection: sqlite3.Connection) -> None:
    """Takes the seal off, in the transaction that changes the catalog."""
    connection.execute("DELETE FROM meta WHERE key = 'seal' AND value != ?", (DAMAGED,))


def note_generation(folder: Path, generation: int) -> None:
    """Notes beside the catalog what has been committed to it: after the commit, so that the note is never ahead."""
    with suppress(OSError):
        write_note(folder / SEAL_FILE, str(generation))


def mark_damage(folder: Path, connection: sqlite3.Connection) -> None:
    """Remembers, before anything is written, that the catalog's bytes have changed: a new seal would hide it.

    That commits are lost is said: a new seal hides it, and what is put in again closes the gap.
    """
    seal = check_seal(folder, connection)
    if seal == "behind":
        logger.warning("'%s' has lost its last commits with its log: add the documents again", folder / CATALOG)
    if seal == "changed":
        logger.warning("'%s' is damaged: run `lateral verify`", folder / CATALOG)
        connection.execute("UPDATE meta SET value = ? WHERE key = 'seal'", (DAMAGED,))


def close_catalog(folder: Path, connection: sqlite3.Connection) -> None:
    """Moves the log into the catalog file, so that a plain copy of the folder is a backup, seals it and closes it.

    It waits for no reader. What fails here (a full disk, a reader) costs nothing: the log is as durable as the catalog
    file, and a catalog without a seal is as good, only less closely checked.
    """
    with suppress(sqlite3.Error, OSError):
        connection.execute("PRAGMA busy_timeout = 0")
        if _move_log(connection) and _read_seal(folder, connection)[0] in ("none", "foreign", "behind"):
            _seal(folder, connection)
    connection.close()


@decodes
def _read_seal(folder: Path, connection: sqlite3.Connection) -> tuple[Seal, str]:
    """Returns the seal by its token alone, "whole" where it fits, and the hash that stands beside it."""
    rows = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('seal', 'generation')").fetchall())
    expected = rows.get("seal")
    try:
        token, _, sha256 = (folder / SEAL_FILE).read_text(encoding="ascii").partition(" ")
    except (OSError, ValueError):
        token, sha256 = "", ""
    if expected == DAMAGED:
        return "damaged", ""
    if not sha256 and token.isdigit() and int(rows["generation"]) < int(token):
        return "behind", ""  # with the token of the seal before, where the whole log is lost
    if expected is None:
        return "none", ""
    return ("whole", sha256) if token == expected else ("foreign", "")


def _seal(folder: Path, connection: sqlite3.Connection) -> None:
    token = uuid.uuid4().hex
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('seal', ?)", (token,))
    try:
        if not _move_log(connection):
            break_seal(connection)
            return
        new = folder / NEW_SEAL_FILE
        write_note(new, f"{token} {hash_held(folder / CATALOG)}", lasting=True)
        new.replace(folder / SEAL_FILE)
    except OSError:
        break_seal(connection)
        raise


def _move_log(connection: sqlite3.Connection) -> bool:
    """Returns whether the whole log is in the catalog file now."""
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _log_bytes(folder: Path) -> int:
    try:
        return (folder / f"{CATALOG}-wal").stat().st_size
    except FileNotFoundError:
        return 0

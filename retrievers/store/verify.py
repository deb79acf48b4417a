"""Finds what is wrong with an index directory, without changing it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .derived import is_intact
from .segments import FOLDER, Segment, hash_file

if TYPE_CHECKING:
    from .snapshot import Snapshot

__all__ = ["Problem", "find_problems"]

Cure = Literal["encode", "refresh", "none"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something of an index that is not as the catalog says.

    Args:
        file: The file or folder, relative to the index.
        reason: What is wrong.
        cure: "encode" its texts again, "refresh" a derived index, or "none": add the documents to a new index.
        segment_id: The damaged segment, None for other problems.
    """

    file: str
    reason: str
    cure: Cure
    segment_id: int | None = None


def find_problems(folder: Path, snapshot: Snapshot, connection: sqlite3.Connection) -> list[Problem]:
    """Returns everything that is wrong, the worst first. Reads every byte of the index.

    Files that no row of the catalog names are no problem: a newer generation has replaced them, or their writer was
    killed before it committed, and the next writer deletes them.

    Args:
        folder: The index directory.
        snapshot: A snapshot of it.
        connection: The connection that the snapshot reads from.
    """
    return [
        *_catalog_problems(connection),
        *_segment_problems(folder, snapshot),
        *_missing_vectors(connection),
        *_derived_problems(folder, connection),
    ]


def _catalog_problems(connection: sqlite3.Connection) -> Iterator[Problem]:
    for (message,) in connection.execute("PRAGMA integrity_check").fetchall():
        if message != "ok":
            yield Problem("catalog.sqlite", str(message), "none")
    for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchall():
        yield Problem("catalog.sqlite", f"row {rowid} of {table} names a missing row of {parent}", "none")


def _segment_problems(folder: Path, snapshot: Snapshot) -> Iterator[Problem]:
    for segment_id, segment in snapshot.segments():
        reason = _segment_reason(folder / FOLDER / segment.file, segment)
        if reason is not None:
            yield Problem(f"{FOLDER}/{segment.file}", reason, "encode", segment_id)


def _segment_reason(path: Path, segment: Segment) -> str | None:
    if not path.is_file():
        return "the file is missing"
    if path.stat().st_size != segment.bytes:
        return f"expected {segment.bytes} bytes, found {path.stat().st_size}"
    return None if hash_file(path) == segment.sha256 else "its bytes have changed (SHA-256 differs)"


def _missing_vectors(connection: sqlite3.Connection) -> Iterator[Problem]:
    query = (
        "SELECT r.name, count(*) FROM retrievers r JOIN nodes n ON n.kind = 'chunk' LEFT JOIN vectors v "
        "ON v.space_id = r.space_id AND v.text_hash = n.text_hash WHERE r.space_id IS NOT NULL AND v.row IS NULL "
        "GROUP BY r.name"
    )
    for name, count in connection.execute(query).fetchall():
        yield Problem(FOLDER, f"{count} chunks have no vector for the {name} retriever", "encode")


def _derived_problems(folder: Path, connection: sqlite3.Connection) -> Iterator[Problem]:
    generation = connection.execute("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'generation'").fetchone()[0]
    for name, made, place, files in connection.execute(
        "SELECT name, generation, folder, files FROM derived"
    ).fetchall():
        if made != generation:
            yield Problem(place, f"the {name} index is of an older generation: an add was interrupted", "refresh")
        elif not is_intact(folder / place, files):
            yield Problem(place, f"the {name} index is damaged", "refresh")

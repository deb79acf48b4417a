"""Finds what is wrong with an index directory, without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .derived import is_intact
from .schema import CATALOG, VECTORS, decodes
from .seal import SEAL_FILE
from .segments import Segment, hash_file
from .snapshot import Snapshot, is_unchanged

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


@decodes
def find_problems(snapshot: Snapshot) -> list[Problem]:
    """Returns everything that is wrong, the worst first. Reads every byte of the index.

    Files that no row of the catalog names are no problem: a newer generation has replaced them, or their writer was
    killed before it committed, and the next writer deletes them.

    Args:
        snapshot: A snapshot of the index.
    """
    catalog = [*_catalog_problems(snapshot), *_changed_nodes(snapshot)]
    return [
        *catalog,
        *_seal_problems(snapshot, named=bool(catalog)),
        *_segment_problems(snapshot),
        *_missing_vectors(snapshot),
        *_derived_problems(snapshot),
    ]


def _catalog_problems(snapshot: Snapshot) -> Iterator[Problem]:
    for (message,) in snapshot.rows("PRAGMA integrity_check"):
        if message != "ok":
            yield Problem(CATALOG, str(message), "none")
    for table, rowid, parent, _ in snapshot.rows("PRAGMA foreign_key_check"):
        yield Problem(CATALOG, f"row {rowid} of {table} names a missing row of {parent}", "none")


def _changed_nodes(snapshot: Snapshot) -> Iterator[Problem]:
    """Compares each node's text and place with its id, and each chunk with the hash that names its vector."""
    for node, text_hash in snapshot.hashed_nodes():
        if not is_unchanged(node, text_hash):
            yield Problem(CATALOG, f"node {node.id} of {node.source!r} has changed: its id does not fit", "none")


def _seal_problems(snapshot: Snapshot, *, named: bool) -> Iterator[Problem]:
    """Compares the whole catalog file with its seal, where nothing nearer has named its damage."""
    seal = snapshot.seal()
    if seal == "foreign":
        yield Problem(
            SEAL_FILE,
            f"it is no seal of this {CATALOG}: one of the two is damaged or older, or a writer was killed at its end",
            "refresh",
        )
    elif seal == "behind":
        yield Problem(CATALOG, "it has lost its last commits with its log: add the documents again", "refresh")
    elif seal == "changed" and not named:
        yield Problem(CATALOG, "its bytes have changed since its last writer ended (SHA-256 differs)", "none")
    elif seal == "damaged":
        yield Problem(CATALOG, "its bytes had changed before it was last written to", "none")


def _segment_problems(snapshot: Snapshot) -> Iterator[Problem]:
    for segment_id, segment in snapshot.segments():
        reason = _segment_reason(snapshot.folder / VECTORS / segment.file, segment)
        if reason is not None:
            yield Problem(f"{VECTORS}/{segment.file}", reason, "encode", segment_id)


def _segment_reason(path: Path, segment: Segment) -> str | None:
    try:
        if not path.is_file():
            return "the file is missing"
        if path.stat().st_size != segment.bytes:
            return f"expected {segment.bytes} bytes, found {path.stat().st_size}"
        return None if hash_file(path) == segment.sha256 else "its bytes have changed (SHA-256 differs)"
    except OSError as err:
        return f"it can't be read ({err.strerror or err})"


def _missing_vectors(snapshot: Snapshot) -> Iterator[Problem]:
    query = (
        "SELECT r.name, count(*) FROM retrievers r JOIN nodes n ON n.kind = 'chunk' LEFT JOIN vectors v "
        "ON v.space_id = r.space_id AND v.text_hash = n.text_hash LEFT JOIN segments s ON s.id = v.segment_id "
        "WHERE r.space_id IS NOT NULL AND (v.row IS NULL OR min(v.row, v.count) < 0 OR v.row + v.count > s.rows) "
        "GROUP BY r.name"
    )
    for name, count in snapshot.rows(query):
        yield Problem(VECTORS, f"{count} chunks have no vector for the {name} retriever", "encode")


def _derived_problems(snapshot: Snapshot) -> Iterator[Problem]:
    for name, made, place, files in snapshot.rows("SELECT name, generation, folder, files FROM derived"):
        if made != snapshot.generation:
            yield Problem(place, f"the {name} index is of an older generation: an add was interrupted", "refresh")
        elif not is_intact(snapshot.folder / place, files):
            yield Problem(place, f"the {name} index is damaged", "refresh")

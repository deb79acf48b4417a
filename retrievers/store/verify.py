"""Finds what is wrong with an index directory, without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...loaders.indexed_text import indexed_text
from ...loaders.node import node_id
from .derived import is_intact
from .records import hash_text
from .schema import VECTORS
from .segments import Segment, hash_file
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


def find_problems(snapshot: Snapshot) -> list[Problem]:
    """Returns everything that is wrong, the worst first. Reads every byte of the index.

    Files that no row of the catalog names are no problem: a newer generation has replaced them, or their writer was
    killed before it committed, and the next writer deletes them.

    Args:
        snapshot: A snapshot of the index.
    """
    return [
        *_catalog_problems(snapshot),
        *_changed_nodes(snapshot),
        *_segment_problems(snapshot),
        *_missing_vectors(snapshot),
        *_derived_problems(snapshot),
    ]


def _catalog_problems(snapshot: Snapshot) -> Iterator[Problem]:
    for (message,) in snapshot.rows("PRAGMA integrity_check"):
        if message != "ok":
            yield Problem("catalog.sqlite", str(message), "none")
    for table, rowid, parent, _ in snapshot.rows("PRAGMA foreign_key_check"):
        yield Problem("catalog.sqlite", f"row {rowid} of {table} names a missing row of {parent}", "none")


def _changed_nodes(snapshot: Snapshot) -> Iterator[Problem]:
    """Compares each node's text and place with its id, and each chunk with the hash that names its vector."""
    for node, text_hash in snapshot.hashed_nodes():
        text_changed = node.kind == "chunk" and text_hash != hash_text(indexed_text(node))
        if text_changed or node.id != node_id(node.document_id, node.page, node.kind, node.start_char, node.text):
            yield Problem(
                "catalog.sqlite", f"node {node.id} of {node.source!r} has changed: its id does not fit", "none"
            )


def _segment_problems(snapshot: Snapshot) -> Iterator[Problem]:
    for segment_id, segment in snapshot.segments():
        reason = _segment_reason(snapshot.folder / VECTORS / segment.file, segment)
        if reason is not None:
            yield Problem(f"{VECTORS}/{segment.file}", reason, "encode", segment_id)


def _segment_reason(path: Path, segment: Segment) -> str | None:
    if not path.is_file():
        return "the file is missing"
    if path.stat().st_size != segment.bytes:
        return f"expected {segment.bytes} bytes, found {path.stat().st_size}"
    return None if hash_file(path) == segment.sha256 else "its bytes have changed (SHA-256 differs)"


def _missing_vectors(snapshot: Snapshot) -> Iterator[Problem]:
    query = (
        "SELECT r.name, count(*) FROM retrievers r JOIN nodes n ON n.kind = 'chunk' LEFT JOIN vectors v "
        "ON v.space_id = r.space_id AND v.text_hash = n.text_hash LEFT JOIN segments s ON s.id = v.segment_id "
        "WHERE r.space_id IS NOT NULL AND (v.row IS NULL OR v.row < 0 OR v.row >= s.rows) "
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

"""Finds what is wrong with an index directory, without changing it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from ...errors import IndexConfigError, InvalidArgumentError, MissingExtraError
from .derived import is_intact
from .records import IndexConfig
from .schema import CATALOG, VECTORS, decodes
from .seal import SEAL_FILE
from .segments import Segment, hash_file
from .snapshot import Snapshot, is_unchanged

__all__ = ["OpenRetrievers", "Problem", "SelfChecking", "find_problems"]

logger = logging.getLogger(__name__)

Cure: TypeAlias = Literal["encode", "refresh", "start", "none"]
OpenRetrievers: TypeAlias = Callable[[IndexConfig | None], Sequence[object]]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something of an index that is not as the catalog says.

    Args:
        file: The file or folder, relative to the index.
        reason: What is wrong.
        cure: "encode" its texts again, "refresh" a derived index, "start" the server that it stands on, or "none": add
            the documents to a new index.
        segment_id: The damaged segment, None for other problems.
        derived: The name of a derived index that is to be built from nothing, None for other problems.
    """

    file: str
    reason: str
    cure: Cure
    segment_id: int | None = None
    derived: str | None = None


@runtime_checkable
class SelfChecking(Protocol):
    """A retriever that can tell whether what it derives works: bytes that have not changed are not all of it."""

    def find_problems(self, snapshot: Snapshot, published: Mapping[str, bool]) -> list[Problem]:
        """Returns what is wrong with what it derives.

        Args:
            snapshot: The index: its catalog and its vectors are sound.
            published: The name of each derived index, and whether it fits the documents and its files are as they were
                published. What is wrong with one that does not is named already.
        """
        ...


def find_problems(snapshot: Snapshot, retrievers: OpenRetrievers | None = None) -> list[Problem]:
    """Returns everything that is wrong, the worst first. Reads every byte of the index.

    Files that no row of the catalog names are no problem: a newer generation has replaced them, or their writer was
    killed before it committed, and the next writer deletes them.

    Args:
        snapshot: A snapshot of the index.
        retrievers: Gives the retrievers of an index that was made so, which are asked about what they derive; None to
            look at bytes only. While the catalog or vectors are damaged, nobody is asked.
    """
    problems = _byte_problems(snapshot)
    if retrievers is None or any(problem.cure in ("none", "encode") for problem in problems):
        return problems
    return problems + _told_problems(snapshot, retrievers, {problem.file for problem in problems})


@decodes
def _byte_problems(snapshot: Snapshot) -> list[Problem]:
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


def _told_problems(snapshot: Snapshot, retrievers: OpenRetrievers, named: set[str]) -> list[Problem]:
    """Returns what the retrievers say of what they derive."""
    try:
        asked = [it for it in retrievers(snapshot.config()) if isinstance(it, SelfChecking)]
    except (IndexConfigError, InvalidArgumentError, MissingExtraError) as err:
        logger.warning("only the bytes of derived indexes are checked, and not whether they work: %s", err)
        return []
    published = {name: place not in named for name, place in snapshot.rows("SELECT name, folder FROM derived")}
    return [problem for it in asked for problem in it.find_problems(snapshot, published)]

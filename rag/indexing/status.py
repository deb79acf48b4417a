"""What an index holds, and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ...loaders.indexed_text import indexed_text
from ...retrievers.candidates_files import CandidateUse, candidate_use
from ...retrievers.derived_versions import is_of_this_version
from ...retrievers.indexed import IndexedRetriever
from ...retrievers.store import Snapshot, Writer, hash_text
from ...retrievers.store.lock import writer_pid
from ...retrievers.store.verify import Problem
from .encoding import LARGEST_BATCH, SpaceEncoder, check_spaces, encode_missing, encoders_of

__all__ = ["DerivedUse", "IndexStatus", "VectorUse", "VerifyReport", "read_status", "refresh_derived", "repair_vectors"]

CUT = "FROM nodes WHERE EXISTS (SELECT 1 FROM vectors v WHERE v.text_hash = nodes.text_hash AND v.cut)"
VECTOR_USE = (
    "SELECT r.name, p.format, sum(s.rows), sum(s.bytes), sum(s.loss * s.rows) / max(sum(s.rows), 1) FROM retrievers r "
    "JOIN spaces p ON p.id = r.space_id JOIN segments s ON s.space_id = p.id GROUP BY r.name ORDER BY r.position"
)
DERIVED = "SELECT name, generation, folder FROM derived ORDER BY name"


@dataclass(frozen=True, slots=True)
class VectorUse:
    """How an index keeps a retriever's vectors.

    Args:
        format: How they are stored; see `lateral.retrievers.store.formats`.
        vectors: How many there are.
        bytes: Of their files.
        loss: 1 minus the mean cosine between the vectors as they came and as they are stored, measured at storing.
        candidates: How searches find what they score, None where they score everything or ask a derived index.
    """

    format: str
    vectors: int
    bytes: int
    loss: float
    candidates: CandidateUse | None = None


@dataclass(frozen=True, slots=True)
class DerivedUse:
    """A derived index that was built.

    Args:
        generation: The generation of the index that it fits.
        fits: Whether that is the index's own, and the versions that are here can read it; else readers search without.
        bytes: Of its files.
    """

    generation: int
    fits: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """What an index holds.

    Args:
        index: The index directory.
        documents: How many there are.
        chunks: Chunk nodes.
        pages: Page nodes.
        pages_without_text: Page nodes without text, scanned or blank, which text retrievers can't find.
        cut_passages: Chunks that an encoder did not read to their end.
        stale: Sources whose newer version could not be read, each with the reason.
        warnings: What could not be read of sources, or had to be guessed.
        retrievers: The retrievers, each with its settings.
        vectors: How each retriever's vectors are kept, by its name.
        derived: Names of the derived indexes that fit the documents; behind another one readers search without it.
        derived_uses: Every derived index that was built, by its name.
        chunk_size: Tokens of a chunk at most.
        chunk_overlap: Tokens that neighbouring chunks share at most.
        writer: Process id of who is writing to it just now, None for nobody.
        bytes: Size of the index on disk.
        sources: Every source.
    """

    index: str
    documents: int
    chunks: int
    pages: int
    pages_without_text: int
    cut_passages: int
    stale: dict[str, str]
    warnings: dict[str, tuple[str, ...]]
    retrievers: dict[str, dict[str, str]]
    vectors: dict[str, VectorUse]
    derived: tuple[str, ...]
    derived_uses: dict[str, DerivedUse]
    chunk_size: int
    chunk_overlap: int
    writer: int | None
    bytes: int
    sources: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Returns the status as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The outcome of `verify`.

    Args:
        problems: What was wrong.
        remaining: What still is: all of it without repair.
    """

    problems: tuple[Problem, ...]
    remaining: tuple[Problem, ...]

    def as_dict(self) -> dict[str, object]:
        """Returns the report as plain JSON values."""

        def rows(problems: Sequence[Problem]) -> list[dict[str, str]]:
            return [{"file": it.file, "reason": it.reason, "cure": it.cure} for it in problems]

        return {"problems": rows(self.problems), "remaining": rows(self.remaining)}


def read_status(folder: Path, snapshot: Snapshot) -> IndexStatus:
    """Returns what the index holds."""
    config = snapshot.config()
    documents = snapshot.documents()
    derived = {
        name: DerivedUse(
            made, made == snapshot.generation and is_of_this_version(name, folder / place), _size(folder / place)
        )
        for name, made, place in snapshot.rows(DERIVED)
    }
    return IndexStatus(
        index=str(folder),
        documents=len(documents),
        chunks=snapshot.count("FROM nodes WHERE kind = 'chunk'"),
        pages=snapshot.count("FROM nodes WHERE kind = 'page'"),
        pages_without_text=snapshot.count("FROM nodes WHERE kind = 'page' AND text = ''"),
        cut_passages=snapshot.count(CUT),
        stale={document.source: document.stale for document in documents if document.stale is not None},
        warnings={document.source: document.warnings for document in documents if document.warnings},
        retrievers={it.name: dict(it.settings) for it in config.retrievers} if config else {},
        vectors={
            name: VectorUse(form, vectors, size, loss, candidate_use(snapshot, name))
            for name, form, vectors, size, loss in snapshot.rows(VECTOR_USE)
        },
        derived=tuple(name for name, use in derived.items() if use.fits),
        derived_uses=derived,
        chunk_size=config.chunk_size if config else 0,
        chunk_overlap=config.chunk_overlap if config else 0,
        writer=writer_pid(folder),
        bytes=_size(folder),
        sources=tuple(document.source for document in documents),
    )


def _size(folder: Path) -> int:
    """Returns the bytes of the files in a folder; those that a writer removes meanwhile do not count."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(parent, name)).st_size
    return total


def repair_vectors(
    writer: Writer, snapshot: Snapshot, problems: Sequence[Problem], retrievers: Sequence[IndexedRetriever]
) -> None:
    """Encodes lost vectors again, from the catalog's texts.

    Args:
        writer: The index's writer.
        snapshot: The index before the repair.
        problems: What `find_problems` found.
        retrievers: Whose encoders encode.

    Raises:
        EncoderMismatchError: An encoder is not the one that the index's vectors were made with.
    """
    check_spaces(writer, retrievers)
    for problem in problems:
        if problem.segment_id is not None:
            writer.forget_segment(problem.segment_id)
    if any(problem.cure == "encode" for problem in problems):
        encoders = encoders_of(writer, retrievers)
        texts: dict[bytes, str] = {}
        for node in snapshot.chunks():
            texts[hash_text(indexed_text(node))] = indexed_text(node)
            if len(texts) == LARGEST_BATCH:
                _encode(writer, encoders, texts)
                texts = {}
        _encode(writer, encoders, texts)


def refresh_derived(writer: Writer, problems: Sequence[Problem], retrievers: Sequence[IndexedRetriever]) -> None:
    """Rebuilds what is derived from the nodes and their vectors, where a problem calls for it."""
    for problem in problems:
        if problem.derived is not None:
            writer.unpublish(problem.derived)
    if any(problem.cure in ("encode", "refresh") for problem in problems):
        for retriever in retrievers:
            retriever.refresh(writer)
        writer.mark_refreshed()


def _encode(writer: Writer, encoders: Sequence[SpaceEncoder], texts: dict[bytes, str]) -> None:
    for encoder in encoders:
        new = encode_missing(writer, encoder, texts)
        if len(new.text_hashes):
            writer.add_vectors(new)

"""The writer's side of Chroma: generations are built from the index's own vectors, tried, and published."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..exact import ExactSearch
from ..retriever import VectorSpace
from ..store import Snapshot, Writer
from .collection import Batch, ChromaFailed, check_collection
from .generation import STORE, Coverage, Generation, Manifest, write_generation
from .process import BATCH_ROWS, build_folder, check_folder
from .server import ChromaServer

__all__ = ["refresh_generation", "sample"]

logger = logging.getLogger(__name__)

SAMPLES = 8


def refresh_generation(
    writer: Writer, name: str, snapshot: Snapshot, space: VectorSpace, server: ChromaServer | None
) -> None:
    """Publishes a generation that serves the snapshot, or says that the published one does.

    A generation serves as long as few chunks have changed since. Then a copy of it is changed, or, where many chunks
    are gone, on a server, and when that fails, one is built anew.

    Args:
        writer: The index's writer.
        name: Of the derived index.
        snapshot: What the writer has committed, at least one chunk.
        space: The space of the vectors.
        server: Where the vectors go; None for a folder.

    Raises:
        ChromaFailed: It could not be built; what was published before stays.
        StoreError: The disk is full, or the index can't be written.
        IndexCorruptError: A segment of vectors is damaged.
    """
    exact = ExactSearch(snapshot.vectors(space), len(snapshot.chunk_ids()))
    coverage = _coverage(writer.published(name), snapshot, exact, space, server)
    if coverage is not None and coverage.is_near():
        writer.keep(name)
    elif server is not None:
        prefix = _prefix(writer, name, space)
        writer.publish(name, lambda folder: _build_collection(server, prefix, snapshot, exact, space, folder))
    else:
        _publish_folder(writer, name, partial(_build_folder, snapshot, exact, space), coverage)
    if server is not None:
        _forget_collections(server, _prefix(writer, name, space), writer.published(name))


def sample(held: NDArray[np.int64], ids: NDArray[np.bytes_], exact: ExactSearch) -> Batch:
    """Returns the ids and vectors of some of these chunks, zero vectors apart: nothing is near to one."""
    chosen = held[np.linspace(0, len(held) - 1, min(SAMPLES, len(held))).astype(np.int64)]
    vectors = exact.rows(chosen)
    directed = np.linalg.norm(vectors, axis=1) > 0
    return [it.decode() for it in ids[chosen[directed]]], vectors[directed]


def _coverage(
    folder: Path | None, snapshot: Snapshot, exact: ExactSearch, space: VectorSpace, server: ChromaServer | None
) -> Coverage | None:
    """Returns what the published generation holds of the snapshot, None where it can't be kept or built on."""
    if folder is None:
        return None
    try:
        generation = Generation(folder)
        manifest = generation.manifest
        if (manifest.space, manifest.server) != (space.fingerprint, "" if server is None else server.address):
            return None
        coverage = Coverage(generation, snapshot)
        if server is not None:
            known = sample(np.flatnonzero(coverage.held), snapshot.chunk_ids(), exact)
            check_collection(server.find(manifest.collection), manifest.count, known)
    except ChromaFailed as err:
        logger.info("what Chroma holds is put together anew: %s", err)
        return None
    return coverage


def _publish_folder(
    writer: Writer, name: str, build: Callable[[Coverage | None, Path], None], coverage: Coverage | None
) -> None:
    """Publishes a store in a folder: the one before with changes where that pays and succeeds, else a new one."""
    if coverage is not None and coverage.can_grow():
        try:
            writer.publish(name, partial(build, coverage))
            return
        except ChromaFailed as err:
            logger.info("Chroma's store can't be added to (%s): it is built anew", err)
    writer.publish(name, partial(build, None))


def _build_folder(
    snapshot: Snapshot, exact: ExactSearch, space: VectorSpace, growing: Coverage | None, folder: Path
) -> None:
    """Fills a generation's folder with a store, and has it tried in another process."""
    ids = snapshot.chunk_ids()
    if growing is None:
        logger.info("putting %d vectors into a new Chroma store", len(ids))
        build_folder(folder / STORE, _batches(exact, ids, np.arange(len(ids))), adding=len(ids))
    else:
        base, adding = growing.generation, growing.missing
        logger.info("putting %d vectors into Chroma's store, taking out %d", len(adding), len(growing.gone))
        gone = [it.decode() for it in base.ids[growing.gone]]
        build_folder(
            folder / STORE, _batches(exact, ids, adding), adding=len(adding), base=base.folder / STORE, gone=gone
        )
    check_folder(folder / STORE, len(ids), sample(np.arange(len(ids)), ids, exact))
    write_generation(folder, Manifest(space.fingerprint, len(ids), chromadb=version("chromadb")), snapshot)


def _build_collection(
    server: ChromaServer, prefix: str, snapshot: Snapshot, exact: ExactSearch, space: VectorSpace, folder: Path
) -> None:
    """Fills a new collection, and a generation's folder with a note of it."""
    ids, name = snapshot.chunk_ids(), prefix + folder.name
    logger.info("putting %d vectors into a new collection at %s", len(ids), server.address)
    rows, collection = server.max_rows(), server.create(name)
    for batch, vectors in _batches(exact, ids, np.arange(len(ids))):
        for start in range(0, len(batch), rows):
            collection.add(batch[start : start + rows], vectors[start : start + rows])
    check_collection(collection, len(ids), sample(np.arange(len(ids)), ids, exact))
    write_generation(folder, Manifest(space.fingerprint, len(ids), server.address, name), snapshot)


def _batches(exact: ExactSearch, ids: NDArray[np.bytes_], positions: NDArray[np.int64]) -> Iterator[Batch]:
    for start in range(0, len(positions), BATCH_ROWS):
        batch = positions[start : start + BATCH_ROWS]
        yield [it.decode() for it in ids[batch]], exact.rows(batch)


def _prefix(writer: Writer, name: str, space: VectorSpace) -> str:
    """Returns what the names of this index's collections begin with, and no other index's."""
    fingerprint = hashlib.sha256(space.fingerprint.encode()).hexdigest()[:12]
    return f"lateral-{fingerprint}-{writer.identity()}-{name}-"


def _forget_collections(server: ChromaServer, prefix: str, folder: Path | None) -> None:
    """Deletes the collections that older generations, and writers that were killed, left on the server."""
    try:
        for name in server.names(prefix):
            if folder is None or name != prefix + folder.name:
                server.delete(name)
    except ChromaFailed as err:
        logger.info("old collections stay on the server: %s", err)

"""The writer's side of Chroma: generations are built from the index's own vectors, tried, and published."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgumentError
from ..exact import ExactSearch
from ..retriever import VectorSpace
from ..store import Snapshot, Writer
from .check import check_generation, sample
from .collection import Batch, ChromaFailed, ChromaUnavailable, check_collection
from .generation import STORE, Coverage, Generation, Manifest, write_generation
from .process import BATCH_ROWS, build_folder, check_folder
from .server import ChromaServer

__all__ = ["forget_generation", "refresh_generation"]

logger = logging.getLogger(__name__)


def refresh_generation(
    writer: Writer,
    name: str,
    *,
    snapshot: Snapshot,
    space: VectorSpace,
    server: ChromaServer | None,
    tried: Path | None = None,
) -> Path:
    """Publishes a generation that serves the snapshot, or says that the published one does.

    A generation serves as long as few chunks have changed since, and its check finds nothing wrong. When more have
    changed, a copy of it is changed; where many chunks are gone, on a server, and when a check fails, one is built
    anew from the segments.

    Args:
        writer: The index's writer.
        name: Of the derived index.
        snapshot: What the writer has committed, at least one chunk.
        space: The space of the vectors.
        server: Where the vectors go; None for a folder.
        tried: The folder of a generation that this process has checked before: it never changes, and starting the
            process that opens it takes a second.

    Returns:
        The folder of the generation that serves now: it has been checked.

    Raises:
        ChromaFailed: It could not be built or checked; what was published before stays.
        StoreError: The disk is full, or the index can't be written.
        IndexCorruptError: A segment of vectors is damaged.
    """
    exact = ExactSearch(snapshot.vectors(space), len(snapshot.chunk_ids()))
    contents = _Contents(snapshot, exact, space, lambda done, total: _tell(writer, name, done, total))
    before = writer.published(name)
    coverage = _coverage(before, contents, server)
    if coverage is not None and not _is_sound(coverage, contents, server, tried):
        coverage = None
    if coverage is not None and coverage.is_near():
        writer.keep(name)
        folder = coverage.generation.folder
    elif server is None:
        folder = _publish_folder(writer, name, contents, coverage)
    else:
        prefix = _prefix(writer, name, space)
        folder = _publish(writer, name, partial(_build_collection, server, prefix, contents))
    if before is not None:
        _forget_elsewhere(before, server, writer.identity(), name)
    if server is not None:
        _forget_collections(server, _prefix(writer, name, space), folder)
    return folder


def forget_generation(writer: Writer, name: str) -> None:
    """Takes what is published out of use, and off the server that it stands on.

    Args:
        writer: The index's writer.
        name: Of the derived index.
    """
    before = writer.published(name)
    writer.unpublish(name)
    if before is not None:
        _forget_elsewhere(before, None, writer.identity(), name)


@dataclass(frozen=True, slots=True)
class _Contents:
    """What is to be put into Chroma: the vector of every chunk.

    Args:
        snapshot: The chunks.
        exact: Their vectors.
        space: The vectors' space.
        tell: Told how many of how many have been put in.
    """

    snapshot: Snapshot
    exact: ExactSearch
    space: VectorSpace
    tell: Callable[[int, int], None]

    def batches(self, positions: NDArray[np.int64]) -> Iterator[Batch]:
        """Yields the ids and vectors of the chunks at these positions; whoever takes a batch has put in the last."""
        for start in range(0, len(positions), BATCH_ROWS):
            batch = positions[start : start + BATCH_ROWS]
            self.tell(start, len(positions))
            yield [it.decode() for it in self.snapshot.chunk_ids()[batch]], self.exact.rows(batch)

    def sample(self, held: NDArray[np.int64]) -> Batch:
        """Returns the ids and vectors of some of these chunks."""
        return sample(held, self.snapshot.chunk_ids(), self.exact)

    def every(self) -> NDArray[np.int64]:
        """Returns the positions of all chunks."""
        return np.arange(len(self.snapshot.chunk_ids()))


def _tell(writer: Writer, name: str, done: int, total: int) -> None:
    if writer.on_build is not None:
        writer.on_build(name, done, total)


def _coverage(folder: Path | None, contents: _Contents, server: ChromaServer | None) -> Coverage | None:
    """Returns what the published generation holds, None where it is not to be kept or built on."""
    if folder is None:
        return None
    try:
        generation = Generation(folder)
    except ChromaFailed as err:
        logger.info("what Chroma holds is put together anew: %s", err)
        return None
    if not generation.fits(contents.space, server):
        return None
    coverage = Coverage(generation, contents.snapshot)
    return coverage if coverage.is_near() or (server is None and coverage.can_grow()) else None


def _is_sound(coverage: Coverage, contents: _Contents, server: ChromaServer | None, tried: Path | None) -> bool:
    """Returns whether a generation passes its check: one that readers refuse would be kept for ever.

    Raises:
        ChromaFailed: It can't be checked: no server answers, or the temporary folder can't be written.
    """
    if server is None and coverage.generation.folder == tried:
        return True
    try:
        check_generation(coverage.generation, server, contents.sample(np.flatnonzero(coverage.held)))
    except ChromaUnavailable:
        raise
    except ChromaFailed as err:
        logger.warning("what Chroma holds fails its check and is put together anew: %s", err)
        return False
    except OSError as err:
        raise ChromaFailed(f"it can't be checked: {err}") from err
    return True


def _publish(writer: Writer, name: str, build: Callable[[Path], None]) -> Path:
    """Publishes what is built, and returns its folder."""
    folders: list[Path] = []

    def noting(folder: Path) -> None:
        build(folder)
        folders.append(folder)

    writer.publish(name, noting)
    return folders[0]


def _publish_folder(writer: Writer, name: str, contents: _Contents, coverage: Coverage | None) -> Path:
    """Publishes a store in a folder: the one before with changes where that pays and succeeds, else a new one."""
    if coverage is not None and coverage.can_grow():
        try:
            return _publish(writer, name, partial(_build_folder, contents, coverage))
        except ChromaFailed as err:
            logger.info("Chroma's store can't be added to (%s): it is built anew", err)
    return _publish(writer, name, partial(_build_folder, contents, None))


def _build_folder(contents: _Contents, growing: Coverage | None, folder: Path) -> None:
    """Fills a generation's folder with a store, and has it tried in another process."""
    every = contents.every()
    if growing is None:
        logger.info("putting %d vectors into a new Chroma store", len(every))
        build_folder(folder / STORE, contents.batches(every), adding=len(every))
    else:
        base, adding = growing.generation, growing.missing
        logger.info("putting %d vectors into Chroma's store, taking out %d", len(adding), len(growing.gone))
        gone = [it.decode() for it in base.ids[growing.gone]]
        build_folder(folder / STORE, contents.batches(adding), adding=len(adding), base=base.folder / STORE, gone=gone)
    check_folder(folder / STORE, len(every), contents.sample(every))
    made = Manifest(contents.space.fingerprint, len(every), chromadb=version("chromadb"))
    write_generation(folder, made, contents.snapshot)


def _build_collection(server: ChromaServer, prefix: str, contents: _Contents, folder: Path) -> None:
    """Fills a new collection, and a generation's folder with a note of it."""
    every, name = contents.every(), prefix + folder.name
    logger.info("putting %d vectors into a new collection at %s", len(every), server.address)
    rows, collection = server.max_rows(), server.create(name)
    for batch, vectors in contents.batches(every):
        for start in range(0, len(batch), rows):
            collection.add(batch[start : start + rows], vectors[start : start + rows])
    check_collection(collection, len(every), contents.sample(every))
    made = Manifest(contents.space.fingerprint, len(every), server.address, name)
    write_generation(folder, made, contents.snapshot)


def _prefix(writer: Writer, name: str, space: VectorSpace) -> str:
    """Returns what the names of this index's collections begin with, and no other index's."""
    fingerprint = hashlib.sha256(space.fingerprint.encode()).hexdigest()[:12]
    return f"lateral-{fingerprint}-{writer.identity()}-{name}-"


def _forget_elsewhere(folder: Path, server: ChromaServer | None, identity: str, name: str) -> None:
    """Deletes a generation's collection from its server, where that is not the one that is used now.

    Only one that is named as this index names its own: an index that came from somewhere else may note any.
    """
    ours = rf"lateral-[0-9a-f]{{12}}-{re.escape(identity)}-{re.escape(name)}-[0-9a-f]{{32}}"  # see `_prefix`
    try:
        manifest = Generation(folder).manifest
        is_elsewhere = manifest.server not in ("", "" if server is None else server.address)
        if is_elsewhere and re.fullmatch(ours, manifest.collection):
            left = ChromaServer(manifest.server)
            left.max_rows()  # whether it answers at all: it is asked for seconds, and a deletion may take minutes
            left.delete(manifest.collection)
    except (ChromaFailed, InvalidArgumentError) as err:
        logger.info("an old collection may stay on its server: %s", err)


def _forget_collections(server: ChromaServer, prefix: str, folder: Path) -> None:
    """Deletes the collections that older generations, and writers that were killed, left on the server."""
    try:
        for name in server.names(prefix):
            if name != prefix + folder.name:
                server.delete(name)
    except ChromaFailed as err:
        logger.info("old collections stay on the server: %s", err)

"""The writer's side of PLAID: a generation is built beside the one before, tried, and swapped in."""

from __future__ import annotations

import logging
from pathlib import Path

from ...errors import MissingExtraError, MissingToolError
from ..retriever import VectorSpace
from ..store import Snapshot, Writer
from .generation import Coverage, Generation, PlaidFailed, colbert_version, damaged_file
from .process import BuildJob, build_apart
from .texts import IndexedTexts, open_texts
from .toolchain import check_toolchain

__all__ = ["MIN_TEXTS", "MIN_TOKENS", "is_wanted", "keep_generation", "refresh_generation"]

logger = logging.getLogger(__name__)

MIN_TEXTS = 256  # below, exact search takes a millisecond, and a sample has too few texts to cluster
MIN_TOKENS = 4_096  # there are 16 * sqrt(tokens) centroids at most: so each has 4 tokens to begin with


def refresh_generation(writer: Writer, name: str, snapshot: Snapshot, space: VectorSpace, bits: int) -> None:
    """Publishes a generation that serves the snapshot, says that the published one does, or takes it out of use.

    Args:
        writer: The index's writer.
        name: Of the derived index.
        snapshot: What the writer has committed.
        space: The space of the vectors.
        bits: Of each dimension.

    Raises:
        PlaidFailed: It could not be built; what was published before stays, and is not used until it fits again.
        StoreError: The disk is full, or the index can't be written.
        IndexCorruptError: A segment of vectors is damaged.
    """
    if keep_generation(writer, name, snapshot, space, bits):
        return
    try:
        check_toolchain()
    except (MissingToolError, MissingExtraError) as err:
        raise PlaidFailed(str(err)) from err
    colbert_version()  # raises where there is none, before a process is started
    texts = open_texts(snapshot, space)
    logger.info("building PLAID: %d texts, %d token vectors, %d bits", len(texts.filled), texts.tokens, bits)
    writer.publish(name, lambda folder: build_apart(_job(snapshot, space, bits, folder)))


def keep_generation(writer: Writer, name: str, snapshot: Snapshot, space: VectorSpace, bits: int) -> bool:
    """Returns whether nothing has to be built: the published generation serves and says so, or none is wanted.

    Args:
        writer: The index's writer.
        name: Of the derived index.
        snapshot: What the writer has committed.
        space: The space of the vectors.
        bits: Of each dimension.
    """
    texts = open_texts(snapshot, space)
    if not is_wanted(texts):
        logger.info("PLAID is not built below %d texts and %d token vectors: search is exact", MIN_TEXTS, MIN_TOKENS)
        writer.unpublish(name)
        return True
    if _serves(_published(snapshot, name), texts, space, bits):
        writer.keep(name)
        return True
    return False


def is_wanted(texts: IndexedTexts) -> bool:
    """Returns whether there are texts enough to build PLAID of."""
    return len(texts.filled) >= MIN_TEXTS and texts.tokens >= MIN_TOKENS


def _published(snapshot: Snapshot, name: str) -> tuple[Path, str] | None:
    """Returns the folder and the files' hashes of a derived index, of whichever generation; None when there is none."""
    rows = snapshot.rows("SELECT name, folder, files FROM derived")
    return next(((snapshot.folder / folder, files) for found, folder, files in rows if found == name), None)


def _serves(published: tuple[Path, str] | None, texts: IndexedTexts, space: VectorSpace, bits: int) -> bool:
    """Returns whether what is published is intact, and near to what the snapshot holds."""
    if published is None:
        return False
    if (file := damaged_file(*published)) is not None:
        logger.warning("'%s' of PLAID is damaged: it is built anew", published[0] / file)
        return False
    try:
        generation = Generation(published[0])
    except PlaidFailed as err:
        logger.info("PLAID is built anew: %s", err)
        return False
    manifest = generation.manifest
    return (manifest.space, manifest.bits) == (space.fingerprint, bits) and Coverage(generation, texts).is_near()


def _job(snapshot: Snapshot, space: VectorSpace, bits: int, folder: Path) -> BuildJob:
    return BuildJob(
        index=str(snapshot.folder),
        generation=snapshot.generation,
        fingerprint=space.fingerprint,
        dim=space.dim,
        format=space.format,
        bits=bits,
        folder=str(folder),
    )

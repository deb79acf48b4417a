"""The check of a generation: whether Chroma, where it stands, still finds what it should hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..exact import ExactSearch
from ..retriever import VectorSpace
from ..store import Snapshot
from ..store.storage import storage_error
from .collection import Batch, ChromaFailed, check_collection
from .generation import STORE, Coverage, Generation
from .process import check_folder
from .server import ChromaServer

__all__ = ["check_generation", "check_published", "sample"]

SAMPLES = 8


def sample(held: NDArray[np.int64], ids: NDArray[np.bytes_], exact: ExactSearch) -> Batch:
    """Returns the ids and vectors of some of these chunks, zero vectors apart: nothing is near to one."""
    chosen = held[np.linspace(0, len(held) - 1, min(SAMPLES, len(held))).astype(np.int64)]
    vectors = exact.rows(chosen)
    directed = vectors.any(axis=1)
    return [it.decode() for it in ids[chosen[directed]]], vectors[directed]


def check_generation(generation: Generation, server: ChromaServer | None, known: Batch) -> None:
    """Asks for some of what a generation should hold: a store in a folder in a process of its own.

    Args:
        generation: Which.
        server: Where it stands, None for its folder.
        known: Some of the ids that it should hold, and their vectors.

    Raises:
        ChromaUnavailable: No server answers at the address.
        ChromaFailed: It holds another number of vectors or other ones, can't be asked, or ends who opens it.
        OSError: The temporary folder can't be written.
    """
    manifest = generation.manifest
    if server is None:
        check_folder(generation.folder / STORE, manifest.count, known)
    else:
        check_collection(server.find(manifest.collection), manifest.count, known)


def check_published(folder: Path, snapshot: Snapshot, space: VectorSpace, server: ChromaServer | None) -> None:
    """Checks all of a published generation but the bytes of its files; on a server every id, without the vectors.

    Args:
        folder: The generation's; its files are as they were published.
        snapshot: The index that it serves, at least one chunk.
        space: The space of the vectors.
        server: Where the vectors should be, None for the folder.

    Raises:
        ChromaUnavailable: No server answers at the address.
        ChromaFailed: The generation is not to be used.
        StorageError: The temporary folder can't be written.
    """
    generation = Generation(folder)
    if not generation.fits(space, server):
        raise ChromaFailed("what was built last is for another store or another model")
    exact = ExactSearch(snapshot.vectors(space), len(snapshot.chunk_ids()))
    held = np.flatnonzero(Coverage(generation, snapshot).held)
    try:
        check_generation(generation, server, sample(held, snapshot.chunk_ids(), exact))
    except OSError as err:
        raise storage_error(Path(err.filename or "the temporary folder"), err) from err
    if server is not None:
        _check_ids(generation, server)


def _check_ids(generation: Generation, server: ChromaServer) -> None:
    wanted = {it.decode() for it in generation.ids}
    held = set(server.find(generation.manifest.collection).ids(len(wanted)))
    if held != wanted:
        raise ChromaFailed(f"its collection lacks {len(wanted - held)} of the {len(wanted)} ids that it should hold")

"""What is published for Chroma: which chunks a store holds, with which vectors, and where it stands."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..array_files import write_array
from ..retriever import VectorSpace
from ..store import Snapshot
from .collection import ChromaFailed
from .server import ChromaServer

__all__ = ["STORE", "Coverage", "Generation", "Manifest", "write_generation"]

MANIFEST, IDS, HASHES = "manifest.json", "ids.bin", "hashes.bin"
STORE = "store"  # the folder of an embedded store, inside the generation's
VERSION = 1  # of these files
MIN_CHANGES = 1_000  # chunks that are searched exactly beside Chroma, at most, ...
CHANGED_SHARE = 0.1  # ... or this share of what it holds, if that is more: adding to a store begins with copying it
GONE_SHARE = 0.25  # of what it holds: a graph with more holes is built anew


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation is.

    Args:
        space: Fingerprint of the vectors' space.
        count: How many vectors it holds.
        server: The server's address, "" for a store in the folder beside.
        collection: The collection's name on the server, "" for a store in the folder beside.
        chromadb: The version that built it: another one may read it otherwise.
        version: Of the generation's files.
    """

    space: str
    count: int
    server: str = ""
    collection: str = ""
    chromadb: str = ""
    version: int = VERSION


class Generation:
    """A published generation, read from its folder.

    Raises:
        ChromaFailed: It can't be read, or is of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.manifest = Manifest(**json.loads((folder / MANIFEST).read_text("utf-8")))
            raw = np.fromfile(folder / IDS, np.uint8).reshape(self.manifest.count, -1)
            self.ids: NDArray[np.bytes_] = raw.view(f"S{raw.shape[1]}").ravel()
            self.hashes = np.fromfile(folder / HASHES, np.uint64).reshape(self.manifest.count, 2)
        except (OSError, ValueError, TypeError) as err:
            raise ChromaFailed(f"'{folder}' can't be read: {err}") from err
        if self.manifest.version != VERSION or self.manifest.chromadb not in ("", version("chromadb")):
            raise ChromaFailed(f"'{folder}' was made by another version")

    def fits(self, space: VectorSpace, server: ChromaServer | None) -> bool:
        """Returns whether it holds vectors of this space, at this place: None for its folder."""
        address = "" if server is None else server.address
        return (self.manifest.space, self.manifest.server) == (space.fingerprint, address)


def write_generation(folder: Path, manifest: Manifest, snapshot: Snapshot) -> None:
    """Notes in a folder that a store holds every chunk of the snapshot."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest)), "utf-8")
    write_array(folder / IDS, snapshot.chunk_ids())
    write_array(folder / HASHES, snapshot.chunk_hashes())


class Coverage:
    """Which chunks of a snapshot a generation holds, with the vectors that they have now.

    Args:
        generation: Of this snapshot, or of an older one.
        snapshot: The index; it has at least one chunk.
    """

    def __init__(self, generation: Generation, snapshot: Snapshot) -> None:
        self.generation = generation
        ids = snapshot.chunk_ids()
        place = np.minimum(np.searchsorted(generation.ids, ids), generation.manifest.count - 1)
        same = (generation.hashes[place] == snapshot.chunk_hashes()).all(axis=1)
        self.held: NDArray[np.bool_] = (generation.ids[place] == ids) & same
        self.missing = np.flatnonzero(~self.held)  # positions among the chunks
        left = np.ones(generation.manifest.count, np.bool_)
        left[place[self.held]] = False
        self.gone = np.flatnonzero(left)  # positions in the generation

    def is_near(self) -> bool:
        """Returns whether the generation serves the snapshot, the missing chunks searched exactly beside it."""
        changes = max(len(self.missing), len(self.gone))
        return changes <= max(MIN_CHANGES, CHANGED_SHARE * self.generation.manifest.count)

    def can_grow(self) -> bool:
        """Returns whether changing a copy of the store is better than building one anew."""
        return len(self.gone) <= GONE_SHARE * self.generation.manifest.count

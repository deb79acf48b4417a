"""What is published for PLAID: colbert-ai's files, which texts they hold, and whether they may be opened."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..array_files import write_array
from ..store.segments import hash_file
from .texts import KEY, IndexedTexts

__all__ = [
    "BITS",
    "STORE",
    "Coverage",
    "Generation",
    "Manifest",
    "PlaidFailed",
    "colbert_version",
    "damaged_file",
    "write_generation",
]

MANIFEST, KEYS = "manifest.json", "texts.bin"
STORE = "store"  # colbert-ai's files, inside the generation's folder
VERSION = 1  # of these files
BITS = (1, 2, 4)  # of a dimension; what colbert-ai can pack into bytes and look up
MIN_CHANGES = 200  # texts that are searched exactly beside PLAID, at most, ...
CHANGED_SHARE = 0.05  # ... or this share of what it holds, if that is more: RAGatouille's own limit for building anew


class PlaidFailed(Exception):
    """PLAID can't be built or used; the message says why. Never leaves this floor: exact search takes over."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation is.

    Args:
        space: Fingerprint of the vectors' space.
        bits: Of each dimension.
        texts: How many it holds.
        tokens: How many vectors they have.
        colbert: The version of colbert-ai that built it: another one may read it otherwise.
        version: Of the generation's files.
    """

    space: str
    bits: int
    texts: int
    tokens: int
    colbert: str
    version: int = VERSION


class Generation:
    """A published generation, read from its folder; its pickles are not touched.

    Args:
        folder: One whose files have been found as they were published.

    Raises:
        PlaidFailed: It can't be read, or is of another version; or colbert-ai is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        installed = colbert_version()
        try:
            self.manifest = Manifest(**json.loads((folder / MANIFEST).read_text("utf-8")))
            self.keys: NDArray[np.bytes_] = np.fromfile(folder / KEYS, KEY)
        except (OSError, ValueError, TypeError) as err:
            raise PlaidFailed(f"'{folder}' can't be read: {err}") from err
        if (self.manifest.version, self.manifest.colbert) != (VERSION, installed):
            raise PlaidFailed(f"'{folder}' was made by another version")
        if len(self.keys) != self.manifest.texts:
            raise PlaidFailed(f"'{folder}' names {len(self.keys)} texts in place of {self.manifest.texts}")


def colbert_version() -> str:
    """Returns which version of colbert-ai is installed.

    Raises:
        PlaidFailed: None is.
    """
    try:
        return version("colbert-ai")
    except PackageNotFoundError as err:
        raise PlaidFailed("PLAID needs RAGatouille: pip install 'lateral[colbert]'") from err


def write_generation(folder: Path, texts: IndexedTexts, space: str, bits: int) -> None:
    """Notes in a folder that PLAID holds every text that has tokens, in the order of their numbers."""
    manifest = Manifest(space, bits, len(texts.filled), texts.tokens, colbert_version())
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest)), "utf-8")
    write_array(folder / KEYS, texts.keys[texts.filled])


def damaged_file(folder: Path, files: str) -> str | None:
    """Returns the name of a file that is not what was published, None when all are.

    PLAID's files hold pickles, and a pickle runs code when it is loaded. So every file that colbert-ai opens must be
    one that this project wrote: its hash stands in the index's catalog, and nothing is opened before all fit.

    Args:
        folder: The generation's.
        files: The SHA-256 of each file by its place in the folder, as JSON, from the catalog.
    """
    try:
        for name, sha256 in sorted(json.loads(files).items()):
            if not (folder / name).is_file() or hash_file(folder / name) != sha256:
                return str(name)
    except (OSError, ValueError, TypeError, AttributeError):  # it can't be read, or the catalog's row is no such JSON
        return MANIFEST
    return None


class Coverage:
    """Which texts of a snapshot a generation holds.

    Args:
        generation: Of this snapshot, or of an older one.
        texts: The snapshot's.
    """

    def __init__(self, generation: Generation, texts: IndexedTexts) -> None:
        order = texts.filled[np.argsort(texts.keys[texts.filled])]
        known = texts.keys[order]
        self.text_of = np.full(len(generation.keys), -1, np.int64)  # the text's number for each of PLAID's, -1: gone
        if len(order):
            place = np.minimum(np.searchsorted(known, generation.keys), len(known) - 1)
            same = known[place] == generation.keys
            self.text_of[same] = order[place[same]]
        held = np.zeros(len(texts.search.counts), np.bool_)
        held[self.text_of[self.text_of >= 0]] = True
        self.missing = texts.filled[~held[texts.filled]]  # the numbers of the texts that it lacks

    def is_near(self) -> bool:
        """Returns whether the generation serves the snapshot, the missing texts searched exactly beside it."""
        changes = max(len(self.missing), int((self.text_of < 0).sum()))
        return changes <= max(MIN_CHANGES, CHANGED_SHARE * len(self.text_of))

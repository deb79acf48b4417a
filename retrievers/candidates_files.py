"""The files of a candidate stage: for each vector segment, the reduced tokens of its texts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from .array_files import write_array
from .candidates_reduction import METHOD, ReducedSegment
from .retriever import VectorSpace
from .store import Snapshot

__all__ = [
    "CandidateManifest",
    "CandidateUse",
    "ReducedEntry",
    "ReducedFiles",
    "candidate_use",
    "candidates_name",
    "write_manifest",
    "write_reduced",
]

MANIFEST = "manifest.json"
CODES, TEXTS, BASIS = ENDINGS = ".codes", ".texts", ".basis"  # behind a segment's name


@dataclass(frozen=True, slots=True)
class ReducedEntry:
    """The reduced tokens of one segment.

    Args:
        texts: How many texts there are.
        tokens: How many tokens, filled up.
        kept: Along how many directions.
        scale: What their codes are multiplied by.
    """

    texts: int
    tokens: int
    kept: int
    scale: float


@dataclass(frozen=True, slots=True)
class CandidateManifest:
    """What a published candidate stage is.

    Args:
        space: Fingerprint of the vectors' space.
        dim: Length of a vector.
        segments: What it holds, by the segments' files.
        candidates: With how many candidates the recall was measured.
        recall: The share of the ten best texts that is among the candidates; see `candidates_refresh`.
        measured: How many texts there were then.
        method: How vectors were made; those of another method are made again.
    """

    space: str
    dim: int
    segments: Mapping[str, ReducedEntry] = field(default_factory=dict)
    candidates: int = 0
    recall: float = 1.0
    measured: int = 0
    method: str = METHOD


@dataclass(frozen=True, slots=True)
class CandidateUse:
    """A retriever's candidate stage, as `status` shows it.

    Args:
        candidates: How many texts are scored exactly.
        recall: The share of the ten best texts of exact search that is among them, estimated when it was built from
            stored texts in place of questions, for which it may be a little lower; see `measured_recall`.
        is_usable: Whether its files are there, and of this version; where they are not, search is exact.
    """

    candidates: int
    recall: float
    is_usable: bool

    def __str__(self) -> str:
        if not self.is_usable:
            return "not usable, search is exact: run `lateral verify --repair`"
        return (
            f"{self.candidates:,} texts are scored exactly, recall@10 against exact search about {self.recall:.3f} "
            "(estimated from stored texts)"
        )


class ReducedFiles:
    """A published folder.

    Args:
        folder: Where it stands.

    Raises:
        OSError: The manifest can't be read.
        ValueError: It is none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            values = json.loads((folder / MANIFEST).read_text("utf-8"))
            segments = {name: ReducedEntry(**entry) for name, entry in values.pop("segments").items()}
            self.manifest = CandidateManifest(segments=segments, **values)
        except (TypeError, KeyError, AttributeError) as err:
            raise ValueError(f"its manifest is none of ours ({err})") from err

    def opened(self) -> dict[str, ReducedSegment]:
        """Returns the reduced tokens, memory-mapped, by the segments' files.

        Raises:
            OSError: A file can't be read.
            ValueError: A file has another size than the manifest says.
        """
        return {file: self._open(file, entry) for file, entry in self.manifest.segments.items()}

    def serves(self, space: VectorSpace) -> bool:
        """Returns whether the vectors are of this space, and made as they would be now."""
        mine = (self.manifest.space, self.manifest.dim) == (space.fingerprint, space.dim)
        return mine and self.is_of_this_version()

    def is_of_this_version(self) -> bool:
        """Returns whether the vectors were made as they would be now."""
        return self.manifest.method == METHOD

    def is_whole(self) -> bool:
        """Returns whether every file has the size that it should have; the bytes are not read."""
        for file, entry in self.manifest.segments.items():
            sizes = entry.tokens * entry.kept, 2 * 8 * entry.texts, 4 * self.manifest.dim * entry.kept
            for ending, size in zip(ENDINGS, sizes, strict=True):
                path = _path(self.folder, file, ending)
                if not path.is_file() or path.stat().st_size != size:
                    return False
        return True

    def link(self, file: str, folder: Path) -> None:
        """Gives a new folder the files of a segment, which never change."""
        for ending in ENDINGS:
            old, new = _path(self.folder, file, ending), _path(folder, file, ending)
            try:
                os.link(old, new)
            except OSError:  # the file system has no links
                shutil.copyfile(old, new)

    def _open(self, file: str, entry: ReducedEntry) -> ReducedSegment:
        texts = np.fromfile(_path(self.folder, file, TEXTS), np.int64).reshape(2, entry.texts)
        basis = np.fromfile(_path(self.folder, file, BASIS), np.float32).reshape(self.manifest.dim, entry.kept)
        shape = entry.tokens, entry.kept
        path = _path(self.folder, file, CODES)  # an empty file can't be mapped
        codes = np.asarray(np.memmap(path, np.int8, "r", shape=shape)) if entry.tokens else np.zeros(shape, np.int8)
        return ReducedSegment(codes, texts[0], texts[1], basis, entry.scale)


def write_reduced(folder: Path, file: str, reduced: ReducedSegment) -> ReducedEntry:
    """Returns what the manifest says of a segment's reduced tokens, after writing their files.

    Raises:
        OSError: The disk is full, or refuses to be written.
    """
    write_array(_path(folder, file, CODES), reduced.codes)
    write_array(_path(folder, file, TEXTS), np.stack([reduced.starts, reduced.widths]))
    write_array(_path(folder, file, BASIS), reduced.basis)
    tokens, kept = reduced.codes.shape
    return ReducedEntry(len(reduced.starts), tokens, kept, reduced.scale)


def write_manifest(folder: Path, manifest: CandidateManifest) -> None:
    """Writes the manifest of a folder whose files are there."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest)), "utf-8")


def candidate_use(snapshot: Snapshot, retriever: str) -> CandidateUse | None:
    """Returns what an index has of a retriever's candidate stage, None without one; the files' bytes are not read."""
    for name, place in snapshot.rows("SELECT name, folder FROM derived"):
        if name == candidates_name(retriever):
            try:
                files = ReducedFiles(snapshot.folder / place)
            except (OSError, ValueError):
                return CandidateUse(0, 0.0, False)
            usable = files.is_of_this_version() and files.is_whole()
            return CandidateUse(files.manifest.candidates, files.manifest.recall, usable)
    return None


def candidates_name(retriever: str) -> str:
    """Returns the name of the derived index of a retriever's candidate stage."""
    return f"{retriever}-candidates"


def _path(folder: Path, file: str, ending: str) -> Path:
    return folder / (file.removesuffix(".npy") + ending)

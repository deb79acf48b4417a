"""Derived indexes: folders that can be made again from the catalog, published whole, checked before use."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .segments import fsync_folder, hash_file
from .storage import storage_error

__all__ = ["build_derived", "is_intact", "open_derived", "remove_unnamed", "split_place"]

logger = logging.getLogger(__name__)

OUR_NAME = re.compile(r"[0-9a-f]{32}(\.npy)?")
FOLDER_NAME = re.compile(r"[^./][^/]*")  # a folder of the index itself


def build_derived(index: Path, name: str, build: Callable[[Path], None]) -> tuple[str, dict[str, str]]:
    """Builds a derived index in a new folder beside the current one.

    Args:
        index: The index directory.
        name: The derived index's name: its folders stand in a folder of this name.
        build: Fills the empty folder that it is given, with folders in it if it likes.

    Returns:
        The new folder, relative to the index, and the SHA-256 of each of its files by its place there. Everything is on
        the disk.

    Raises:
        StorageError: The disk is full, or the folder can't be written.
    """
    folder = index / name / uuid.uuid4().hex
    try:
        folder.mkdir(parents=True)
        build(folder)
        entries = sorted(folder.rglob("*"))
        files = {path.relative_to(folder).as_posix(): _settle(path) for path in entries if path.is_file()}
        for changed in (*(path for path in entries if path.is_dir()), folder, folder.parent, index):
            fsync_folder(changed)
    except BaseException as err:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(err, OSError):
            raise storage_error(folder, err) from err
        raise
    return str(folder.relative_to(index)), files


def split_place(path: str) -> tuple[str, str]:
    """Returns the folder of the index that a path from the catalog names, and the name there.

    Raises:
        ValueError: It leads elsewhere: the catalog was not written by us.
    """
    folder, _, name = path.rpartition("/")
    if not FOLDER_NAME.fullmatch(folder) or not OUR_NAME.fullmatch(name):
        raise ValueError(f"{path!r} is no place in an index")
    return folder, name


def open_derived(folder: Path, files: str) -> Path | None:
    """Returns the folder when it is intact, else None, with a warning in the log."""
    if is_intact(folder, files):
        return folder
    logger.warning("the derived index '%s' is damaged and not used: `lateral verify --repair` rebuilds it", folder)
    return None


def is_intact(folder: Path, files: str) -> bool:
    """Returns whether each of the folder's files is what was published.

    Args:
        folder: The folder of a derived index.
        files: The SHA-256 of each file by its place in the folder, as JSON.
    """
    try:
        named = {folder / name: sha256 for name, sha256 in json.loads(files).items()}
        # One that is elsewhere, or a device that never ends, is none that was published.
        if not all(path.is_file() and path.resolve().is_relative_to(folder.resolve()) for path in named):
            return False
        return all(hash_file(path) == sha256 for path, sha256 in named.items())
    except (OSError, ValueError, TypeError, AttributeError):  # a file is gone, or the catalog's row is no such JSON
        return False


def remove_unnamed(folder: Path, keep: set[str]) -> list[str]:
    """Removes what a writer that was killed left in a folder of the index, and what newer generations replaced.

    What can't be removed is left to the next writer: it is in nobody's way.

    Args:
        folder: A folder of the index that holds segments or derived indexes. Only names that we give are touched.
        keep: The names that stay.

    Returns:
        The removed names.
    """
    if not folder.is_dir() or folder.is_symlink():
        return []
    removed: list[str] = []
    with suppress(OSError):  # it may not be looked into
        for entry in [it for it in folder.iterdir() if OUR_NAME.fullmatch(it.name) and it.name not in keep]:
            with suppress(OSError):
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)  # a killed writer's child may live for a moment
                else:
                    entry.unlink()
                removed.append(entry.name)
    return sorted(removed)


def _settle(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return hash_file(path)

"""A Chroma store in a folder: how it is opened, and how it is asked. The only file that imports chromadb."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .collection import ChromaFailed
from .scratch import keep_scratch

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

__all__ = [
    "CATALOG",
    "COLLECTION",
    "EmbeddedCollection",
    "closing_client",
    "nodes_of",
    "refuse_functions",
]

CATALOG = "chroma.sqlite3"
COLLECTION = "nodes"
HARMLESS = {"legacy", "unknown"}  # what Chroma notes where no embedding function was named


class EmbeddedCollection:
    """A published store, opened for asking. Threads may share it; a forked process must open its own.

    Chroma writes to its catalog whenever it opens it. So a reader opens a copy of the catalog (200 bytes a vector)
    beside links to the graph, in a temporary folder of its own: what was published never changes, readers can't get
    into each other's way, and the index may be read-only. What a process that is killed leaves of it, the next removes.

    Args:
        folder: A folder that `build_folder` made, tried by `check_folder`.

    Raises:
        ChromaFailed: It can't be opened.
    """

    def __init__(self, folder: Path) -> None:
        copy, remove = keep_scratch(self)
        self._endings: list[Callable[[], object]] = [remove]
        try:
            for entry in folder.iterdir():
                if entry.name == CATALOG:
                    shutil.copyfile(entry, copy / CATALOG)
                else:
                    (copy / entry.name).symlink_to(entry.absolute())
            refuse_functions(copy)
            client = _open_client(copy)
            # The younger finalizer runs first: the client is closed before its folder goes.
            self._endings.append(weakref.finalize(self, _close_client, client, os.getpid()))
            self._collection = nodes_of(client)
        except ChromaFailed:
            raise
        except Exception as err:  # chromadb raises errors of many kinds
            raise ChromaFailed(f"it can't be opened: {type(err).__name__}: {err}") from err

    def count(self) -> int:
        """Returns how many vectors it holds.

        Raises:
            ChromaFailed: Chroma raised an error.
        """
        try:
            return int(self._collection.count())
        except Exception as err:
            raise ChromaFailed(f"it can't be counted: {type(err).__name__}: {err}") from err

    def nearest(self, query: NDArray[np.float32], number: int) -> tuple[list[str], list[float]]:
        """Returns the ids of about the nearest vectors and their cosine distances, the nearest first.

        Args:
            query: float32, shape (dim,).
            number: How many.

        Raises:
            ChromaFailed: Chroma raised an error.
        """
        try:
            found = self._collection.query(query_embeddings=query[np.newaxis], n_results=number, include=["distances"])
        except Exception as err:
            raise ChromaFailed(f"it can't be asked: {type(err).__name__}: {err}") from err
        return found["ids"][0], list((found["distances"] or [[]])[0])

    def close(self) -> None:
        """Lets go of its memory and files. Calling it again does nothing."""
        for end in reversed(self._endings):
            end()


def _open_client(folder: Path) -> ClientAPI:
    """Returns a client of the store in a folder: no telemetry, and nothing read from a `.env` file."""
    import chromadb
    from chromadb.config import Settings

    quiet: dict[str, Any] = {"_env_file": None, "chroma_otel_collection_endpoint": ""}
    settings = Settings(anonymized_telemetry=False, allow_reset=False, **quiet)
    return chromadb.PersistentClient(str(folder), settings=settings)


@contextmanager
def closing_client(folder: Path) -> Iterator[ClientAPI]:
    """Gives a client of the store in a folder, and closes it."""
    client = _open_client(folder)
    try:
        yield client
    finally:
        client.close()  # type: ignore[attr-defined]  # only the class behind the protocol has it


def nodes_of(client: ClientAPI) -> Collection:
    """Returns the one collection that we keep in a store, without the embedding function that it may name."""
    return client.get_collection(COLLECTION, embedding_function=None)


def refuse_functions(folder: Path) -> None:
    """Looks into a store's catalog before Chroma does: a doctored one makes Chroma run code (CVE-2026-45829).

    Raises:
        ChromaFailed: The catalog can't be read, or names an embedding function: we never write one.
    """
    uri = f"{(folder / CATALOG).absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            rows = connection.execute("SELECT config_json_str, schema_str FROM collections").fetchall()
        kinds = {kind for row in rows for text in row for kind in _functions(json.loads(text or "{}"))}
    except (sqlite3.Error, OSError, ValueError) as err:
        raise ChromaFailed(f"its catalog can't be read: {err}") from err
    if not kinds <= HARMLESS:
        raise ChromaFailed(f"it names an embedding function ({', '.join(sorted(kinds - HARMLESS))}), which we never do")


def _functions(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        named = value.get("embedding_function")
        if named is not None:
            yield str(named.get("type")) if isinstance(named, dict) else "of no known form"
        for part in value.values():
            yield from _functions(part)
    elif isinstance(value, list):
        for part in value:
            yield from _functions(part)


def _close_client(client: ClientAPI, owner: int) -> None:
    if os.getpid() == owner:
        client.close()  # type: ignore[attr-defined]

"""A retriever that serves an index: what it keeps there, and what the catalog remembers of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol, TypeGuard, runtime_checkable

from ..errors import IndexConfigError
from .hit import Hit, first_ranked
from .retriever import Encoder, TokenEncoder, VectorSpace, Where
from .store import Index, Snapshot, Writer

__all__ = [
    "Closes",
    "IndexedRetriever",
    "KeepsUp",
    "attached",
    "close_files",
    "hits_at",
    "is_indexed",
    "opened",
    "storage_space",
]


class IndexedRetriever(Protocol):
    """A retriever over the nodes of an index directory.

    The pipeline attaches it to an index, encodes new nodes with its encoder if it has one, and lets it
    refresh what it derives from them. A new kind of retriever is one file with such a class.
    """

    @property
    def name(self) -> str:
        """The name of the retriever, in the catalog and in the trail of its hits."""
        ...

    @property
    def settings(self) -> Mapping[str, str]:
        """What makes it: the catalog remembers it and hands it to `RETRIEVER(**settings)`."""
        ...

    @property
    def encoder(self) -> Encoder | TokenEncoder | None:
        """The encoder of its nodes, None when it has no vectors."""
        ...

    def attach(self, index: Index) -> None:
        """Tells it which index to search."""
        ...

    def refresh(self, writer: Writer) -> None:
        """Builds what it derives from the nodes anew; the writer calls it when nodes have changed."""
        ...

    def retrieve(self, query: str, top_k: int, where: Where | None = None) -> list[Hit]:
        """Returns at most top_k hits, best first."""
        ...


@runtime_checkable
class KeepsUp(Protocol):
    """A retriever that derives something that takes long to build: once, at the end of a run that adds documents."""

    def keep_up(self, writer: Writer) -> bool:
        """Does the cheap part of `refresh` in the middle of a run; returns whether that was all there was to do.

        What it leaves out must be searched by other means until then, as after a writer that was killed.
        """
        ...


@runtime_checkable
class Closes(Protocol):
    """A retriever that keeps files open between searches."""

    def close(self) -> None:
        """Lets go of them; the next search opens them again."""
        ...


def close_files(retrievers: Iterable[object]) -> None:
    """Has those retrievers of an index let go of their files that keep some; of others `close` may mean anything."""
    for retriever in retrievers:
        if is_indexed(retriever) and isinstance(retriever, Closes):
            retriever.close()


def is_indexed(retriever: object) -> TypeGuard[IndexedRetriever]:
    """Returns whether a retriever keeps something in the index, as its class says: asking looks for no model."""
    return all(hasattr(type(retriever), name) for name in ("attach", "refresh", "settings", "encoder", "name"))


def storage_space(retriever: IndexedRetriever) -> VectorSpace | None:
    """Returns the space of a retriever's vectors in the format that it stores them in, None without vectors.

    The format is the retriever's attribute `format`, else its `default_format`, else float32. See
    `lateral.retrievers.store.formats`.
    """
    if retriever.encoder is None:
        return None
    form = getattr(retriever, "format", None) or getattr(retriever, "default_format", "float32")
    return replace(retriever.encoder.space, format=str(form))


def attached(present: Index | None, index: Index, name: str) -> Index:
    """Returns the index that a retriever is to serve.

    Raises:
        IndexConfigError: It serves one in another folder: what it derives would be written to the wrong one.
    """
    if present is not None and present.folder.absolute() != index.folder.absolute():
        raise IndexConfigError(
            f"this {name} retriever serves the index at '{present.folder}': make another one for '{index.folder}'"
        )
    return index


def opened(index: Index | None, name: str) -> Index:
    """Returns the index that a retriever is attached to.

    Raises:
        IndexConfigError: It has none yet.
    """
    if index is None:
        raise IndexConfigError(f"the {name} retriever searches no index yet: hand it to RAG, or call attach(index)")
    return index


def hits_at(snapshot: Snapshot, stage: str, positions: list[int], scores: list[float]) -> list[Hit]:
    """Returns the chunks at some positions of `snapshot.chunk_ids()` as hits of the stage, best first.

    Args:
        snapshot: The index.
        stage: The stage that gave the scores.
        positions: Different positions: the best score first, equal ones by position, and so by node id.
        scores: Each one's score, none of them NaN.
    """
    ids = snapshot.chunk_ids()
    return first_ranked(stage, snapshot.nodes([ids[position].decode() for position in positions]), scores)

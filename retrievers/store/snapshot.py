"""One generation of the index, as a reader sees it: everything read through a snapshot belongs together."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import IndexCorruptError
from ...loaders.indexed_text import indexed_text
from ...loaders.node import Node, document_id, node_id
from ..filters import to_sql
from ..retriever import VectorSpace, Where
from .derived import open_derived, split_place
from .formats import StoredVectors, check_format
from .records import IndexConfig, RetrieverConfig, StoredDocument, dump_json, hash_text
from .schema import CATALOG, decodes
from .seal import Seal, check_seal
from .segments import Segment, open_segment

__all__ = ["GenerationCache", "SegmentRows", "Snapshot", "is_unchanged", "read_config"]

T = TypeVar("T")

NODE_COLUMNS = "n.id, n.document_id, d.source, n.page, n.kind, n.text, n.start_char, n.end_char, n.metadata"
FROM_NODES = "FROM nodes n JOIN documents d ON d.id = n.document_id"
NO_METADATA = "{}"
CACHED_NODES = 20_000  # about 40 MB of chunks: answering again does not read them again


# A segment's vectors, the rows of it that are in use, and the position of each among the chunks in id order.
class SegmentRows(NamedTuple):
    """The vectors of some chunks, all in one segment.

    Args:
        vectors: The segment's.
        rows: int64, shape (chunks,): the first vector of each chunk.
        counts: int64, shape (chunks,): how many it has.
        positions: int64, shape (chunks,): the chunk's place in `Snapshot.chunk_ids`.
        file: The segment's file, by which what is derived from it is named.
    """

    vectors: StoredVectors
    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    positions: NDArray[np.int64]
    file: str = ""


class GenerationCache:
    """Values that hold for one generation of the index; a newer generation drops them all. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation = -1
        self._values: dict[str, _Once] = {}

    def get(self, generation: int, key: str, build: Callable[[], T]) -> T:
        """Returns the value of this key, built once, by one thread while those who want it wait.

        A reader of an older generation gets a value of its own.
        """
        with self._lock:
            if generation > self._generation:
                self._generation, self._values = generation, {}
            once = self._values.setdefault(key, _Once()) if generation == self._generation else _Once()
        return once.get(build)

    def clear(self) -> None:
        """Drops every value; who is using one keeps it."""
        with self._lock:
            self._values = {}


class _Once:
    """A value that is built by the first who asks; one who fails leaves it to the next."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._values: list[Any] = []

    def get(self, build: Callable[[], T]) -> T:
        with self._lock:
            if not self._values:
                self._values.append(build())
            value: T = self._values[0]
            return value


class Snapshot:
    """A consistent view of the index, valid inside `with index.read()`."""

    @decodes
    def __init__(self, folder: Path, connection: sqlite3.Connection, cache: GenerationCache) -> None:
        self.folder = folder
        self._connection = connection
        self._cache = cache
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
        if row is None:
            raise IndexCorruptError(f"'{folder / CATALOG}' is damaged: it has lost its generation")
        self.generation = int(row[0])

    def cached(self, key: str, build: Callable[[], T]) -> T:
        """Returns what `build` makes, once for this generation; for what a retriever derives from the nodes."""
        return self._cache.get(self.generation, key, build)

    def config(self) -> IndexConfig | None:
        """Returns how the index was made, None before its first document."""
        return read_config(self._connection)

    def chunk_ids(self) -> NDArray[np.bytes_]:
        """Returns the ids of all chunks, ascending, shape (chunks,): the order of every mask and score array."""
        return self.cached("chunk_ids", self._chunk_ids)

    @decodes
    def _chunk_ids(self) -> NDArray[np.bytes_]:
        rows = self._connection.execute("SELECT id FROM nodes WHERE kind = 'chunk' ORDER BY id").fetchall()
        ids = np.array([row[0] for row in rows], dtype=np.bytes_)
        if (ids[1:] <= ids[:-1]).any():
            raise IndexCorruptError(f"'{self.folder / CATALOG}' lists its chunks out of order: run `lateral verify`")
        return ids

    @decodes
    def chunk_hashes(self) -> NDArray[np.uint64]:
        """Returns the hash of each chunk's text, which names its vector: shape (chunks, 2), as `chunk_ids`."""
        rows = self._connection.execute("SELECT text_hash FROM nodes WHERE kind = 'chunk' ORDER BY id").fetchall()
        return np.frombuffer(b"".join(row[0] for row in rows), np.uint64).reshape(-1, 2)

    def allowed(self, where: Where | None) -> NDArray[np.bool_] | None:
        """Returns which chunks the filter lets through, in the order of `chunk_ids`; None without a filter.

        Raises:
            FilterError: See `lateral.retrievers.filters`.
        """
        if where is None:
            return None
        expression, parameters = to_sql(where)
        key = expression + dump_json(parameters)
        last: list[tuple[str, NDArray[np.bool_]]] = self.cached("where", list)
        for asked, known in last:
            if asked == key:
                return known
        nodes = "SELECT n.id, n.document_id, d.source, n.page, n.kind, n.metadata"
        rows = self._connection.execute(
            f"SELECT id FROM ({nodes} {FROM_NODES} WHERE n.kind = 'chunk') AS nodes WHERE {expression}", parameters
        ).fetchall()
        ids = self.chunk_ids()
        mask = np.zeros(len(ids), dtype=np.bool_)
        mask[np.searchsorted(ids, np.array([row[0] for row in rows], dtype=ids.dtype))] = True
        mask.setflags(write=False)
        last[:] = [(key, mask)]
        return mask

    def nodes(self, ids: Sequence[str]) -> list[Node]:
        """Returns the nodes of these ids, in the order of the ids.

        Raises:
            IndexCorruptError: An id is not in the index, or its node is not what was put in.
        """
        known: dict[str, Node] = self.cached("nodes", dict)
        wanted = [node_id for node_id in ids if node_id not in known]
        fresh: dict[str, Node] = {}
        if wanted:
            query = f"SELECT {NODE_COLUMNS}, n.text_hash {FROM_NODES} WHERE n.id IN (SELECT value FROM json_each(?))"
            rows = self._connection.execute(query, (json.dumps(wanted),))
            fresh = {node.id: node for node in self._served(rows)}
        try:
            result = [fresh[node_id] if node_id in fresh else known[node_id] for node_id in ids]
        except KeyError as err:
            raise IndexCorruptError(f"the node {err} is not at '{self.folder}': run `lateral verify`") from err
        if len(known) + len(fresh) <= CACHED_NODES:
            known.update(fresh)
        return result

    def chunks(self) -> Iterator[Node]:
        """Yields all chunks in ascending order of their ids."""
        for row in self._connection.execute(f"SELECT {NODE_COLUMNS} {FROM_NODES} WHERE n.kind = 'chunk' ORDER BY n.id"):
            yield _decoded_node(row)

    def hashed_nodes(self) -> Iterator[tuple[Node, bytes | None]]:
        """Yields every node with the hash that names its vector, None for a page."""
        for row in self._connection.execute(f"SELECT {NODE_COLUMNS}, n.text_hash {FROM_NODES}"):
            yield _decoded_node(row[:-1]), row[-1]

    def document_nodes(self, document_id: str) -> list[Node]:
        """Returns the nodes of a document in reading order, none for an unknown one."""
        query = f"SELECT {NODE_COLUMNS}, n.text_hash {FROM_NODES} WHERE n.document_id = ? ORDER BY n.position"
        return self._served(self._connection.execute(query, (document_id,)))

    @decodes
    def _served(self, rows: Iterable[Sequence[Any]]) -> list[Node]:
        """Returns nodes, after a check that each is what was put in: a changed text is never served.

        Args:
            rows: What the catalog says of each, and the hash that names its vector.
        """
        nodes = []
        for *columns, text_hash in rows:
            node = _node(columns)
            if not is_unchanged(node, text_hash):
                raise IndexCorruptError(f"the node {node.id} at '{self.folder}' has changed: run `lateral verify`")
            nodes.append(node)
        return nodes

    def documents(self) -> list[StoredDocument]:
        """Returns every document, by source."""
        columns = "id, source, content_hash, size, mtime_ns, ctime_ns, metadata, warnings, stale"
        return [_document(row) for row in self._connection.execute(f"SELECT {columns} FROM documents ORDER BY source")]

    @decodes
    def vectors(self, space: VectorSpace) -> list[SegmentRows]:
        """Returns the vectors of every chunk, segment by segment, memory-mapped.

        Raises:
            IndexCorruptError: A segment is damaged, or a chunk has no vector in this space.
        """
        rows = np.array(
            self._connection.execute(
                "SELECT coalesce(v.segment_id, -1), coalesce(v.row, -1), coalesce(v.count, 0) FROM nodes n "
                "LEFT JOIN vectors v ON v.text_hash = n.text_hash "
                "AND v.space_id = (SELECT id FROM spaces WHERE fingerprint = ? AND format = ?) "
                "WHERE n.kind = 'chunk' ORDER BY n.id",
                (space.fingerprint, space.format),
            ).fetchall(),
            dtype=np.int64,
        ).reshape(-1, 3)
        if (missing := int((rows[:, 0] < 0).sum())) > 0:
            raise IndexCorruptError(
                f"{missing} of {len(rows)} chunks at '{self.folder}' have no vector: run `lateral verify --repair`"
            )
        if len(rows) != (chunks := len(self.chunk_ids())):
            raise IndexCorruptError(f"'{self.folder}' has {len(rows)} or {chunks} chunks: run `lateral verify`")
        result: list[SegmentRows] = []
        wanted = np.unique(rows[:, 0]).tolist()
        if len(segments := self.segments(wanted)) != len(wanted):
            raise IndexCorruptError(f"'{self.folder}' names segments that it lacks: run `lateral verify`")
        for segment_id, segment in segments:
            positions = np.flatnonzero(rows[:, 0] == segment_id)
            first, counts = rows[positions, 1], rows[positions, 2]
            if (first + counts).max() > segment.rows or min(first.min(), counts.min()) < 0:
                raise IndexCorruptError(f"'{self.folder}' names rows that '{segment.file}' lacks: run `lateral verify`")
            vectors = open_segment(self.folder, segment, space.dim, check_format(space.format))
            result.append(SegmentRows(vectors, first, counts, positions, segment.file))
        return result

    def segments(self, ids: Iterable[int] | None = None) -> list[tuple[int, Segment]]:
        """Returns the segments of these ids, all without ids, each with its id."""
        query = "SELECT id, file, rows, bytes, sha256, loss FROM segments"
        if ids is None:
            rows = self._connection.execute(query).fetchall()
        else:
            rows = self._connection.execute(
                f"{query} WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
            ).fetchall()
        return [(row[0], Segment(*row[1:])) for row in rows]

    def derived(self, name: str) -> Path | None:
        """Returns the folder of a derived index, None when it is missing, damaged or of another generation."""
        published = self.published(name)
        return None if published is None else open_derived(*published)

    @decodes
    def published(self, name: str) -> tuple[Path, str] | None:
        """Returns a derived index's folder and its files' hashes, not checked yet: `open_derived` does.

        None when it is missing or of another generation.
        """
        row = self._connection.execute(
            "SELECT folder, files FROM derived WHERE name = ? AND generation = ?", (name, self.generation)
        ).fetchone()
        return None if row is None else (self.folder.joinpath(*split_place(row[0])), row[1])

    def seal(self) -> Seal:
        """Returns what the seal says of the catalog file, after reading all of it."""
        return check_seal(self.folder, self._connection)

    def count(self, what: str) -> int:
        """Returns how many rows a query of the form "FROM ... [WHERE ...]" over the catalog has."""
        return int(self.rows(f"SELECT count(*) {what}")[0][0])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Returns the rows of a query over the catalog's tables; for checks and counts."""
        return self._connection.execute(query).fetchall()


def is_unchanged(node: Node, text_hash: bytes | None) -> bool:
    """Returns whether a node's text and place fit its id, its source its document, and its context its vector.

    Args:
        node: The node as the catalog has it.
        text_hash: The hash that names its vector, None for a page.
    """
    return (
        node.id == node_id(node.document_id, node.page, node.kind, node.start_char, node.text)
        and node.document_id == document_id(node.source)
        and text_hash == (hash_text(indexed_text(node)) if node.kind == "chunk" else None)
    )


@decodes
def read_config(connection: sqlite3.Connection) -> IndexConfig | None:
    """Returns how the index was made, None before its first document."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'chunking'").fetchone()
    if row is None:
        return None
    retrievers = connection.execute(
        "SELECT r.name, r.settings, s.fingerprint, s.dim, s.format FROM retrievers r "
        "LEFT JOIN spaces s ON s.id = r.space_id ORDER BY r.position"
    ).fetchall()
    chunking = json.loads(row[0])
    return IndexConfig(
        retrievers=tuple(_retriever_config(name, settings, *space) for name, settings, *space in retrievers),
        chunk_size=chunking["chunk_size"],
        chunk_overlap=chunking["chunk_overlap"],
    )


def _retriever_config(
    name: str, settings: str, fingerprint: str | None, dim: int, vector_format: str
) -> RetrieverConfig:
    values = json.loads(settings)
    model = values.get("model", "")
    space = None if fingerprint is None else VectorSpace(fingerprint, dim, model, check_format(vector_format))
    return RetrieverConfig(name, values, space)


def _node(row: Sequence[Any]) -> Node:
    node_id, document_id, source, page, kind, text, start_char, end_char, metadata = row
    values = json.loads(metadata) if metadata != NO_METADATA else {}
    return Node(node_id, document_id, source, page, kind, text, start_char, end_char, values)


_decoded_node = decodes(_node)


@decodes
def _document(row: Sequence[Any]) -> StoredDocument:
    stat = None if row[3] is None else (row[3], row[4], row[5])
    return StoredDocument(row[0], row[1], row[2], stat, json.loads(row[6]), tuple(json.loads(row[7])), row[8])

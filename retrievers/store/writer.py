"""The writer: documents go in whole, with their vectors, or not at all."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from os.path import exists
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import StoreError
from ...loaders.indexed_text import indexed_text
from ...loaders.node import Node
from ..retriever import VectorSpace
from . import derived
from .formats import StoredVectors, VectorFormat, check_format, take
from .records import IndexConfig, NewVectors, StoredDocument, dump_json, hash_text
from .schema import VECTORS, decodes
from .seal import break_seal, note_generation
from .segments import Segment, hash_file, open_segment, write_packed, write_segment
from .snapshot import read_config

__all__ = ["Writer"]

logger = logging.getLogger(__name__)

GRACE_SECONDS = 60  # a reader opens what it has looked up within milliseconds; a clock set back only delays
SMALL_SEGMENT_BYTES = 50_000_000  # 32,000 vectors of 384 dimensions: below it a segment is worth merging
MAX_SMALL_SEGMENTS = 4  # each segment costs a search one more matrix product, about 20 us
LOOKUP_BATCH = 500  # bound parameters a query; SQLite's oldest limit is 999
NO_ROWS = np.empty(0, np.int64)
MAX_DEAD_SHARE = 0.3  # of a segment's rows: above it the segment is rewritten without them


class Writer:
    """Changes an index; got from `Index.write()`, which holds the lock.

    Every public call that changes something returns when the change is on the disk.

    Attributes:
        on_build: Told how far a derived index is that takes long to build: its name, how many of how many are done.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self._folder = folder
        self._connection = connection
        self.on_build: Callable[[str, int, int], None] | None = None

    def config(self) -> IndexConfig | None:
        """Returns how the index was made, None while it holds no document: then it may still be made otherwise."""
        empty = self._connection.execute("SELECT NOT EXISTS (SELECT 1 FROM documents)").fetchone()[0]
        return None if empty else read_config(self._connection)

    def set_config(self, config: IndexConfig) -> None:
        """Remembers how the index is made, in place of what was remembered before; what is derived may not fit it."""
        with self._transaction():
            self._connection.execute("DELETE FROM meta WHERE key = 'refreshed'")
            self._connection.execute("DELETE FROM retrievers")
            self._put_meta("chunking", {"chunk_size": config.chunk_size, "chunk_overlap": config.chunk_overlap})
            for position, retriever in enumerate(config.retrievers):
                space_id = None if retriever.space is None else self._space_id(retriever.space)
                self._connection.execute(
                    "INSERT OR REPLACE INTO retrievers VALUES (?, ?, ?, ?)",
                    (retriever.name, position, dump_json(dict(retriever.settings)), space_id),
                )

    def known_vectors(self, space: VectorSpace, text_hashes: Sequence[bytes]) -> set[bytes]:
        """Returns those of the text hashes that the index holds a vector of, in this space."""
        known: set[bytes] = set()
        for start in range(0, len(text_hashes), LOOKUP_BATCH):
            batch = text_hashes[start : start + LOOKUP_BATCH]
            query = (
                "SELECT text_hash FROM vectors WHERE space_id = "
                "(SELECT id FROM spaces WHERE fingerprint = ? AND format = ?) "
                f"AND text_hash IN ({','.join('?' * len(batch))})"
            )
            known.update(row[0] for row in self._connection.execute(query, (space.fingerprint, space.format, *batch)))
        return known

    def commit(
        self, documents: Sequence[tuple[StoredDocument, Sequence[Node]]], vectors: Sequence[NewVectors] = ()
    ) -> None:
        """Puts in documents with their nodes and vectors, each in place of its older version.

        Args:
            documents: Each with its nodes in reading order.
            vectors: Of every chunk's text that the index holds no vector of yet, a list for each space.
        """
        written = [(new, self._write(new)) for new in vectors if len(new.text_hashes)]
        with self._transaction(new_generation=True):
            for new, segment in written:
                self._insert_vectors(new, segment)
            freed: list[bytes] = []
            for document, nodes in documents:
                freed += self._drop_nodes(document.id)
                self._put_document(document)
                self._insert_nodes(nodes)
            self._drop_unused_vectors(freed)

    def remove(self, document_ids: Iterable[str]) -> int:
        """Removes documents with their nodes and the vectors that nobody else uses; returns how many there were."""
        removed = 0
        with self._transaction(new_generation=True):
            freed: list[bytes] = []
            for document_id in document_ids:
                freed += self._drop_nodes(document_id)
                removed += self._connection.execute("DELETE FROM documents WHERE id = ?", (document_id,)).rowcount
            self._drop_unused_vectors(freed)
        return removed

    def mark_stale(self, document_id: str, reason: str) -> None:
        """Remembers why a document's newer version could not be read; the version that is here stays."""
        with self._transaction():
            self._connection.execute("UPDATE documents SET stale = ? WHERE id = ?", (reason, document_id))

    def touch(self, documents: Sequence[StoredDocument]) -> None:
        """Remembers that documents with these file times are unchanged, so that they are not read again."""
        rows = [(*(document.stat or (None, None, None)), document.id) for document in documents]
        with self._transaction():
            self._connection.executemany(
                "UPDATE documents SET size = ?, mtime_ns = ?, ctime_ns = ?, stale = NULL WHERE id = ?", rows
            )

    def publish(self, name: str, build: Callable[[Path], None]) -> None:
        """Builds a derived index of the current generation and swaps it in.

        Args:
            name: The derived index's name.
            build: Fills the empty folder that it is given from the index, which it reads on its own.
        """
        folder, files = derived.build_derived(self._folder, name, build)
        with self._transaction():
            replaced = self._connection.execute("SELECT folder FROM derived WHERE name = ?", (name,)).fetchall()
            self._retire(path for (path,) in replaced)
            self._connection.execute(
                "INSERT OR REPLACE INTO derived VALUES (?, ?, ?, ?)",
                (name, self._generation(), folder, dump_json(files)),
            )

    def published(self, name: str) -> Path | None:
        """Returns the intact folder of a derived index, of whichever generation it is; None when there is none."""
        row = self._connection.execute("SELECT folder, files FROM derived WHERE name = ?", (name,)).fetchone()
        return None if row is None else derived.open_derived(self._folder / row[0], row[1])

    def keep(self, name: str) -> None:
        """Says that the derived index serves the current generation as it is."""
        with self._transaction():
            self._connection.execute("UPDATE derived SET generation = ? WHERE name = ?", (self._generation(), name))

    def unpublish(self, name: str) -> None:
        """Takes a derived index out of use, if there is one."""
        with self._transaction():
            rows = self._connection.execute("DELETE FROM derived WHERE name = ? RETURNING folder", (name,)).fetchall()
            self._retire(folder for (folder,) in rows)

    @decodes
    def identity(self) -> str:
        """Returns what names this index among all others, 32 hexadecimal digits; given to it when first asked for."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()
        if row is not None:
            return str(json.loads(row[0]))
        identity = uuid.uuid4().hex
        with self._transaction():
            self._put_meta("identity", identity)
        return identity

    def needs_refresh(self) -> bool:
        """Returns whether nodes have changed since the last `mark_refreshed`."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'refreshed'").fetchone()
        return row is None or int(row[0]) != self._generation()

    def mark_refreshed(self) -> None:
        """Remembers that what the retrievers derive fits the current generation."""
        with self._transaction():
            self._put_meta("refreshed", self._generation())

    def merge_segments(self) -> int:
        """Merges small segments and drops dead rows, where it pays; returns how many segments were rewritten.

        A segment whose bytes have changed is left as it is, for `verify` to find. The replaced files stay for a while,
        so that a reader which has just looked them up finds them.
        """
        merged = 0
        for space_id, dim, form in self._connection.execute("SELECT id, dim, format FROM spaces").fetchall():
            chosen = [item for item in self._worth_merging(space_id) if self._is_intact(item[1])]
            for batch in _batches(chosen):
                self._merge(space_id, dim, check_format(form), batch)
            merged += len(chosen)
        return merged

    def _is_intact(self, segment: Segment) -> bool:
        """Returns whether a segment may be copied: its copy would get a hash of its own, and hide the damage."""
        path = self._folder / VECTORS / segment.file
        if path.is_file() and hash_file(path) == segment.sha256:
            return True
        logger.warning("'%s' is damaged: run `lateral verify --repair`", path)
        return False

    @decodes
    def remove_leftovers(self) -> list[str]:
        """Removes the files that no row of the catalog names, but those replaced within the last minute.

        Returns:
            Their names.
        """
        recent = time.time() - GRACE_SECONDS
        keep = {VECTORS: {row[0] for row in self._connection.execute("SELECT file FROM segments")}}
        named = self._connection.execute(
            "SELECT folder, NULL FROM derived UNION SELECT path, at FROM retired"
        ).fetchall()
        for path, at in named:
            folder, name = derived.split_place(path)
            keep.setdefault(folder, set()).update([name] if at is None or at >= recent else [])
        removed = [it for place, names in keep.items() for it in derived.remove_unnamed(self._folder / place, names)]
        # Not before its file is gone: the row may be all that names the folder of a derived index that is given up.
        gone = [(path,) for path, at in named if at is not None and at < recent and not exists(self._folder / path)]
        with self._transaction():
            self._connection.executemany("DELETE FROM retired WHERE path = ?", gone)
        return removed

    def forget_segment(self, segment_id: int) -> int:
        """Drops a damaged segment's rows, so that its texts count as not encoded; returns how many."""
        with self._transaction(new_generation=True):
            count = self._connection.execute("DELETE FROM vectors WHERE segment_id = ?", (segment_id,)).rowcount
            self._drop_segments([segment_id])
        return count

    def add_vectors(self, new: NewVectors) -> None:
        """Puts in vectors of texts that stand in the index without one."""
        segment = self._write(new)
        with self._transaction(new_generation=True):
            self._insert_vectors(new, segment)

    def _write(self, new: NewVectors) -> Segment:
        return write_segment(self._folder, new.matrix, check_format(new.space.format, new.space.dim))

    @contextmanager
    def _transaction(self, *, new_generation: bool = False) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        changes = self._connection.total_changes
        try:
            yield
            if new_generation:
                self._connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
            if self._connection.total_changes != changes:
                break_seal(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        if new_generation:
            note_generation(self._folder, self._generation())

    def _generation(self) -> int:
        return int(self._connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()[0])

    def _put_meta(self, key: str, value: object) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, dump_json(value)))

    def _space_id(self, space: VectorSpace) -> int:
        self._connection.execute(
            "INSERT OR IGNORE INTO spaces (fingerprint, dim, format) VALUES (?, ?, ?)",
            (space.fingerprint, space.dim, space.format),
        )
        row = self._connection.execute(
            "SELECT id FROM spaces WHERE fingerprint = ? AND format = ?", (space.fingerprint, space.format)
        ).fetchone()
        return int(row[0])

    def _put_document(self, document: StoredDocument) -> None:
        stat = document.stat or (None, None, None)
        metadata, warnings = dump_json(dict(document.metadata)), dump_json(list(document.warnings))
        row = (document.id, document.source, document.content_hash, *stat, metadata, warnings, document.stale)
        done = self._connection.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "content_hash = excluded.content_hash, size = excluded.size, mtime_ns = excluded.mtime_ns, "
            "ctime_ns = excluded.ctime_ns, metadata = excluded.metadata, warnings = excluded.warnings, "
            "stale = excluded.stale WHERE documents.source = excluded.source",
            row,
        )
        if done.rowcount != 1:
            raise StoreError(f"the id {document.id} of {document.source!r} is taken by another source: rename the file")

    def _insert_nodes(self, nodes: Sequence[Node]) -> None:
        rows = []
        for position, node in enumerate(nodes):
            text_hash = hash_text(indexed_text(node)) if node.kind == "chunk" else None
            place = node.id, node.document_id, position, node.page, node.kind
            content = node.text, node.start_char, node.end_char, dump_json(dict(node.metadata)), text_hash
            rows.append((*place, *content))
        self._connection.executemany("INSERT INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _insert_vectors(self, new: NewVectors, segment: Segment) -> None:
        space_id = self._space_id(new.space)
        segment_id = self._insert_segment(space_id, segment)
        counts = [1] * len(new.text_hashes) if new.counts is None else new.counts
        starts = list(accumulate(counts, initial=0))[:-1]
        rows = [
            (space_id, text_hash, segment_id, row, count, int(cut))
            for text_hash, row, count, cut in zip(new.text_hashes, starts, counts, new.cut, strict=True)
        ]
        self._connection.executemany("INSERT INTO vectors VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _insert_segment(self, space_id: int, segment: Segment) -> int:
        row = self._connection.execute(
            "INSERT INTO segments (space_id, file, rows, bytes, sha256, loss) VALUES (?, ?, ?, ?, ?, ?)",
            (space_id, segment.file, segment.rows, segment.bytes, segment.sha256, segment.loss),
        )
        return int(row.lastrowid or 0)

    def _drop_segments(self, ids: Sequence[int]) -> None:
        for segment_id in ids:
            row = self._connection.execute("DELETE FROM segments WHERE id = ? RETURNING file", (segment_id,)).fetchone()
            self._retire([f"{VECTORS}/{row[0]}"])

    def _retire(self, paths: Iterable[str]) -> None:
        """Remembers when a file was replaced: a reader may still be about to open it."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO retired VALUES (?, ?)", [(it, time.time()) for it in paths]
        )

    def _drop_nodes(self, document_id: str) -> list[bytes]:
        rows = self._connection.execute(
            "DELETE FROM nodes WHERE document_id = ? RETURNING text_hash", (document_id,)
        ).fetchall()
        return [row[0] for row in rows if row[0] is not None]

    def _drop_unused_vectors(self, freed: Sequence[bytes]) -> None:
        for (space_id,) in self._connection.execute("SELECT id FROM spaces").fetchall():
            self._connection.executemany(
                "DELETE FROM vectors WHERE space_id = ? AND text_hash = ? "
                "AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.text_hash = vectors.text_hash)",
                [(space_id, text_hash) for text_hash in set(freed)],
            )

    def _worth_merging(self, space_id: int) -> list[tuple[int, Segment]]:
        rows = self._connection.execute(
            "SELECT s.id, s.file, s.rows, s.bytes, s.sha256, s.loss, "
            "(SELECT coalesce(sum(v.count), 0) FROM vectors v WHERE v.segment_id = s.id), "
            "EXISTS (SELECT 1 FROM vectors v WHERE v.segment_id = s.id) "
            "FROM segments s WHERE s.space_id = ? ORDER BY s.id",
            (space_id,),
        ).fetchall()
        holed = {row[0] for row in rows if row[6] < row[2] * (1 - MAX_DEAD_SHARE) or not row[7]}
        small = {row[0] for row in rows if row[6] * row[3] <= SMALL_SEGMENT_BYTES * row[2]}
        chosen = holed | (small if len(small) > MAX_SMALL_SEGMENTS else set())
        return [(row[0], Segment(*row[1:6])) for row in rows if row[0] in chosen]

    def _merge(self, space_id: int, dim: int, form: VectorFormat, batch: Sequence[tuple[int, Segment]]) -> None:
        parts: list[tuple[StoredVectors, NDArray[np.int64]]] = []
        moves = []
        rows, lost = 0, 0.0
        for segment_id, segment in batch:
            live = self._connection.execute(
                "SELECT row, count, text_hash FROM vectors WHERE segment_id = ? ORDER BY row", (segment_id,)
            ).fetchall()
            before = rows
            for _, count, text_hash in live:
                moves.append((rows, space_id, text_hash))
                rows += count
            taken = [np.arange(row, row + count) for row, count, _ in live]
            parts.append((open_segment(self._folder, segment, dim, form), np.concatenate([NO_ROWS, *taken])))
            lost += segment.loss * (rows - before)
        # Texts without vectors have rows of the catalog too: as long as there is one, there is a segment.
        merged = write_packed(self._folder, take(parts, dim, form), rows, lost / max(rows, 1)) if moves else None
        with self._transaction():
            merged_id = None if merged is None else self._insert_segment(space_id, merged)
            self._connection.executemany(
                "UPDATE vectors SET segment_id = ?, row = ? WHERE space_id = ? AND text_hash = ?",
                [(merged_id, *move) for move in moves],
            )
            self._drop_segments([segment_id for segment_id, _ in batch])


def _batches(chosen: Sequence[tuple[int, Segment]]) -> Iterator[list[tuple[int, Segment]]]:
    """Cuts the segments into runs that merge to about one full segment, so that memory stays bounded."""
    batch: list[tuple[int, Segment]] = []
    size = 0
    for item in chosen:
        if batch and size + item[1].bytes > 2 * SMALL_SEGMENT_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item[1].bytes
    if batch:
        yield batch

"""From sources to committed documents: read, cut, encode, commit, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace

from ...loaders.chunking import Chunker, to_nodes
from ...loaders.document import Document
from ...loaders.files import SkippedFile
from ...loaders.indexed_text import indexed_text
from ...loaders.node import LoadFailure, Node, document_id
from ...retrievers.indexed import IndexedRetriever, KeepsUp
from ...retrievers.store import NewVectors, StoredDocument, Writer, hash_text
from .encoding import EncodingThread, SpaceEncoder, check_spaces, encoders_of
from .report import AddReport

__all__ = ["Ingest", "Progress"]

COMMIT_NODES = 512  # a commit every few seconds of encoding on a CPU: what an interruption can cost
COMMIT_DOCUMENTS = 512
FIRST_NODES = 64  # so that encoding starts soon; each batch is twice as large as the one before
MERGE_COMMITS = 64  # each commit leaves a segment, and each segment holds a file open in every reader
REFRESH_NODES = 8_192  # or half of what was there, if that is more: readers rebuild what is behind in memory until then
TELL_SECONDS = 0.2  # how often progress is told while a batch is encoded


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Args:
        done: Sources dealt with, committed or found unchanged.
        total: Sources in all, None where the caller's iterable does not say.
        nodes: Nodes encoded or found to be so.
        building: What is built from them just now and how far it is, such as "chroma 3,000/120,000"; "" for nothing.
    """

    done: int
    total: int | None
    nodes: int
    building: str = ""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Documents on their way into the index, and what their vectors are waited for."""

    documents: list[tuple[StoredDocument, list[Node]]]
    texts: dict[bytes, str]
    vectors: list[tuple[SpaceEncoder, Future[NewVectors]]]

    @property
    def nodes(self) -> int:
        return sum(len(nodes) for _, nodes in self.documents)


class Ingest:
    """One run of adding to an index; call `finish` at its end, and `close` however it ends.

    While one batch is encoded in a thread, the caller reads and cuts the next, and the one before is committed: no
    more than two are held.

    Args:
        writer: The index's writer.
        retrievers: Whose encoders encode, and who refresh at the end.
        make_chunker: Says how texts are cut; called when the first document is to be cut.
        known: What the index holds, by source.
        on_progress: Told after every source and every commit.
    """

    def __init__(
        self,
        writer: Writer,
        retrievers: Sequence[IndexedRetriever],
        make_chunker: Callable[[], Chunker],
        *,
        known: Iterable[StoredDocument] = (),
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._writer = writer
        self._retrievers = retrievers
        self._make_chunker = make_chunker
        self._chunker: Chunker | None = None
        self._known = {document.source: document for document in known}
        self._on_progress = on_progress
        self._encoding = EncodingThread()
        self._pending: _Batch | None = None
        self._batch: list[tuple[StoredDocument, list[Node]]] = []
        self._batch_nodes = 0
        self._enough_nodes = FIRST_NODES
        self._touched: list[StoredDocument] = []
        self._failed: list[LoadFailure] = []
        self._skipped: list[SkippedFile] = []
        self._warnings: list[tuple[str, str]] = []
        self._report = AddReport()
        self._checked = False
        self._done = 0
        self._total: int | None = None
        self._commits = 0
        self._unrefreshed = 0
        writer.on_build = self._tell_build

    def known(self, source: str) -> StoredDocument | None:
        """Returns the document of this source, as the index held it when the run began."""
        return self._known.get(source)

    def expect(self, sources: int) -> None:
        """Adds to the number of sources that the run will deal with."""
        self._total = (self._total or 0) + sources
        self._advance(0)

    def documents(self) -> list[StoredDocument]:
        """Returns every document that the index held when the run began."""
        return list(self._known.values())

    def put(self, document: Document, content_hash: str, stat: tuple[int, int, int] | None = None) -> None:
        """Takes in a document that is new or has changed; it is committed with its batch."""
        self._chunker = self._chunker or self._make_chunker()
        nodes = to_nodes(document, self._chunker)
        stored = StoredDocument(
            id=document_id(document.source),
            source=document.source,
            content_hash=content_hash,
            stat=stat,
            metadata=document.metadata,
            warnings=document.warnings,
        )
        self._warnings += [(document.source, warning) for warning in document.warnings]
        self._batch.append((stored, nodes))
        self._batch_nodes += len(nodes)
        if self._batch_nodes >= self._enough_nodes or len(self._batch) >= COMMIT_DOCUMENTS:
            self._hand_over()

    def keep(self, known: StoredDocument, stat: tuple[int, int, int] | None = None) -> None:
        """Counts a document as unchanged, and remembers its file's new times."""
        if stat != known.stat or known.stale is not None:
            self._touched.append(replace(known, stat=stat))
        self._report = replace(self._report, unchanged=self._report.unchanged + 1)
        self._advance(1)

    def fail(self, failure: LoadFailure) -> None:
        """Reports a source that could not be read; the version that the index holds stays, marked stale."""
        self._failed.append(failure)
        if (known := self.known(failure.source)) is not None:
            self._writer.mark_stale(known.id, f"{failure.error}: {failure.reason}")
        self._advance(1)

    def skip(self, skipped: SkippedFile) -> None:
        """Reports a file that no loader claims to read."""
        self._skipped.append(skipped)

    def remove(self, documents: Sequence[StoredDocument]) -> None:
        """Takes documents out of the index."""
        self.commit()
        if documents:
            removed = self._writer.remove([document.id for document in documents])
            self._report = replace(self._report, removed=self._report.removed + removed)

    def commit(self) -> None:
        """Encodes and commits the documents taken in so far: from here on they are durable."""
        self._hand_over()
        self._settle()

    def finish(self) -> AddReport:
        """Commits what is left, lets the retrievers refresh where nodes have changed, and returns the outcome."""
        self.commit()
        if self._touched:
            self._writer.touch(self._touched)
        if self._writer.needs_refresh():
            self._refresh(is_last=True)
        return replace(
            self._report, failed=tuple(self._failed), skipped=tuple(self._skipped), warnings=tuple(self._warnings)
        )

    def close(self) -> None:
        """Ends the encoding thread; what was not committed is left out."""
        self._encoding.close()

    def _hand_over(self) -> None:
        """Has the batch encoded; commits the one before meanwhile."""
        if not self._batch:
            return
        if not self._checked:
            check_spaces(self._writer, self._retrievers)
            self._checked = True
        documents, self._batch, self._batch_nodes = self._batch, [], 0
        self._enough_nodes = min(2 * self._enough_nodes, COMMIT_NODES)
        chunks = [node for _, nodes in documents for node in nodes if node.kind == "chunk"]
        texts = {hash_text(text): text for text in map(indexed_text, chunks)}
        ahead = self._pending.texts.keys() if self._pending is not None else ()
        vectors = []
        for encoder in encoders_of(self._writer, self._retrievers):
            known = self._writer.known_vectors(encoder.space, list(texts)) | set(ahead)
            missing = {text_hash: text for text_hash, text in texts.items() if text_hash not in known}
            vectors.append((encoder, self._encoding.submit(encoder, missing)))
        handed = _Batch(documents, texts, vectors)
        self._settle()
        self._pending = handed

    def _settle(self) -> None:
        """Commits the batch that is being encoded, once it is."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        futures = [future for _, future in pending.vectors]
        while wait(futures, TELL_SECONDS).not_done:
            self._advance(0)
        vectors = [new for encoder, future in pending.vectors for new in self._complete(encoder, future, pending.texts)]
        self._writer.commit(pending.documents, vectors)
        updated = sum(document.source in self._known for document, _ in pending.documents)
        self._report = replace(
            self._report,
            added=self._report.added + len(pending.documents) - updated,
            updated=self._report.updated + updated,
            nodes=self._report.nodes + pending.nodes,
        )
        self._advance(len(pending.documents))
        self._keep_up(pending.nodes)

    def _complete(self, encoder: SpaceEncoder, future: Future[NewVectors], texts: dict[bytes, str]) -> list[NewVectors]:
        """Returns the batch's vectors, and those that the index had when they were counted on and dropped since."""
        encoded = future.result()
        held = self._writer.known_vectors(encoder.space, list(texts)) | set(encoded.text_hashes)
        dropped = {text_hash: text for text_hash, text in texts.items() if text_hash not in held}
        return [encoded, self._encoding.submit(encoder, dropped).result()] if dropped else [encoded]

    def _keep_up(self, nodes: int) -> None:
        """Keeps readers fast in the middle of a long run."""
        self._commits += 1
        self._unrefreshed += nodes
        if self._unrefreshed >= max(REFRESH_NODES, self._report.nodes // 2):
            self._refresh(is_last=False)
        elif self._commits % MERGE_COMMITS == 0:
            self._writer.merge_segments()

    def _refresh(self, *, is_last: bool) -> None:
        """Has retrievers bring up to date what they derive: before the run's end, of some only what takes little."""
        is_all = True
        for retriever in self._retrievers:
            if is_last or not isinstance(retriever, KeepsUp):
                retriever.refresh(self._writer)
            else:
                is_all = retriever.keep_up(self._writer) and is_all
        if is_all:  # else the end of this run, or the next run where this one is killed, has to do it
            self._writer.mark_refreshed()
        self._unrefreshed = 0

    def _advance(self, documents: int, building: str = "") -> None:
        self._done += documents
        if self._on_progress is not None:
            self._on_progress(Progress(self._done, self._total, self._encoding.encoded, building))

    def _tell_build(self, name: str, done: int, total: int) -> None:
        self._advance(0, f"{name} {done:,}/{total:,}")

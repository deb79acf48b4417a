"""From sources to committed documents: read, cut, encode, commit, in batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import InvalidArgumentError
from ...loaders.chunking import Chunker, to_nodes
from ...loaders.document import Document
from ...loaders.files import SkippedFile
from ...loaders.indexed_text import indexed_text
from ...loaders.node import LoadFailure, Node, document_id
from ...retrievers.bi_encoder import check_space
from ...retrievers.indexed import IndexedRetriever
from ...retrievers.retriever import Encoder
from ...retrievers.store import NewVectors, StoredDocument, Writer, hash_text
from .report import AddReport

__all__ = ["Ingest", "Progress", "check_spaces", "encode_missing", "encoders_of"]

logger = logging.getLogger(__name__)

COMMIT_NODES = 512  # a commit every few seconds of encoding on a CPU: what an interruption can cost
COMMIT_DOCUMENTS = 512
MERGE_COMMITS = 64  # each commit leaves a segment, and each segment holds a file open in every reader
REFRESH_NODES = 8_192  # or half of what was there, if that is more: readers rebuild what is behind in memory until then
ENCODE_BATCH = 256  # texts an encoder is handed at once, so that it can sort them by length


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Args:
        done: Sources dealt with, committed or found unchanged.
        total: Sources in all, None where the caller's iterable does not say.
        nodes: Nodes encoded or found to be so.
    """

    done: int
    total: int | None
    nodes: int


class Ingest:
    """One run of adding to an index; call `finish` at its end.

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
        self._batch: list[tuple[StoredDocument, list[Node]]] = []
        self._batch_nodes = 0
        self._touched: list[StoredDocument] = []
        self._failed: list[LoadFailure] = []
        self._skipped: list[SkippedFile] = []
        self._warnings: list[tuple[str, str]] = []
        self._report = AddReport()
        self._checked = False
        self._done = 0
        self._total: int | None = None
        self._encoded = 0
        self._commits = 0
        self._unrefreshed = 0

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
        if self._batch_nodes >= COMMIT_NODES or len(self._batch) >= COMMIT_DOCUMENTS:
            self.commit()

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
        if not self._batch:
            return
        if not self._checked:
            check_spaces(self._writer, self._retrievers)
            self._checked = True
        batch, self._batch, self._batch_nodes = self._batch, [], 0
        chunks = [node for _, nodes in batch for node in nodes if node.kind == "chunk"]
        texts = {hash_text(text): text for text in map(indexed_text, chunks)}
        vectors = [encode_missing(self._writer, it, texts, self._tell) for it in encoders_of(self._retrievers)]
        self._writer.commit(batch, vectors)
        updated = sum(document.source in self._known for document, _ in batch)
        self._report = replace(
            self._report,
            added=self._report.added + len(batch) - updated,
            updated=self._report.updated + updated,
            nodes=self._report.nodes + sum(len(nodes) for _, nodes in batch),
        )
        self._advance(len(batch))
        self._keep_up(sum(len(nodes) for _, nodes in batch))

    def finish(self) -> AddReport:
        """Commits what is left, lets the retrievers refresh where nodes have changed, and returns the outcome."""
        self.commit()
        if self._touched:
            self._writer.touch(self._touched)
        if self._writer.needs_refresh():
            self._refresh()
        return replace(
            self._report, failed=tuple(self._failed), skipped=tuple(self._skipped), warnings=tuple(self._warnings)
        )

    def _keep_up(self, nodes: int) -> None:
        """Keeps readers fast in the middle of a long run."""
        self._commits += 1
        self._unrefreshed += nodes
        if self._unrefreshed >= max(REFRESH_NODES, self._report.nodes // 2):
            self._refresh()
        elif self._commits % MERGE_COMMITS == 0:
            self._writer.merge_segments()

    def _refresh(self) -> None:
        for retriever in self._retrievers:
            retriever.refresh(self._writer)
        self._writer.mark_refreshed()
        self._unrefreshed = 0

    def _advance(self, documents: int) -> None:
        self._done += documents
        if self._on_progress is not None:
            self._on_progress(Progress(self._done, self._total, self._encoded))

    def _tell(self, texts: int) -> None:
        self._encoded += texts
        self._advance(0)


def check_spaces(writer: Writer, retrievers: Sequence[IndexedRetriever]) -> None:
    """Compares the encoders with the index; called once, and only when something is to be encoded: it reads weights.

    Raises:
        EncoderMismatchError: An encoder is not the one that the index's vectors were made with.
    """
    config = writer.config()
    remembered = {it.name: it.space for it in config.retrievers} if config else {}
    for retriever in retrievers:
        space = remembered.get(retriever.name)
        if retriever.encoder is not None and space is not None:
            check_space(retriever.encoder, space)


def encoders_of(retrievers: Sequence[IndexedRetriever]) -> list[Encoder]:
    """Returns the encoders of the retrievers, one for each vector space."""
    encoders = [retriever.encoder for retriever in retrievers if retriever.encoder is not None]
    return list({encoder.space.fingerprint: encoder for encoder in encoders}.values())


def encode_missing(
    writer: Writer, encoder: Encoder, texts: dict[bytes, str], on_encoded: Callable[[int], None] | None = None
) -> NewVectors:
    """Returns the vectors of those texts that the index holds none of in the encoder's space.

    Args:
        writer: The index's writer.
        encoder: Encodes them.
        texts: Texts by their hash.
        on_encoded: Told the number of texts of each batch that has been encoded.

    Raises:
        InvalidArgumentError: The encoder gave vectors of another shape than it said, or values that are not finite.
    """
    known = writer.known_vectors(encoder.space, list(texts))
    missing = {text_hash: text for text_hash, text in texts.items() if text_hash not in known}
    if not missing:
        return NewVectors(encoder.space, [], np.empty((0, encoder.space.dim), np.float32), [])
    values = list(missing.values())
    parts = []
    for start in range(0, len(values), ENCODE_BATCH):
        parts.append(encoder.encode_documents(values[start : start + ENCODE_BATCH]))
        if on_encoded is not None:
            on_encoded(len(parts[-1]))
    matrix = np.concatenate(parts)
    if matrix.shape != (len(values), encoder.space.dim) or not np.isfinite(matrix).all():
        raise InvalidArgumentError(
            f"the encoder {encoder.space.model!r} must give finite vectors of shape "
            f"{(len(values), encoder.space.dim)}, got {matrix.shape}, finite: {bool(np.isfinite(matrix).all())}"
        )
    cut = [count > encoder.max_tokens for count in encoder.count_tokens(values)]
    if any(cut):
        logger.warning(
            "%d passages are longer than the %d tokens that %s reads: it does not see the rest of them "
            "(an index with a smaller chunk_size cuts nothing)",
            sum(cut),
            encoder.max_tokens,
            encoder.space.model,
        )
    return NewVectors(encoder.space, list(missing), matrix, cut)

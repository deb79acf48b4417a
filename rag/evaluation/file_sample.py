"""A sample of a folder's files, read and cut as they would be indexed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...errors import DocumentError
from ...loaders.chunking import Chunker, to_nodes
from ...loaders.document import Document
from ...loaders.failure import failure_of
from ...loaders.files import SourceFile
from ...loaders.indexed_text import indexed_text
from ...loaders.load import read
from ...loaders.node import LoadFailure
from ...loaders.worker import ParserPool, map_in_order
from ...retrievers.analysis import analyzer
from ...retrievers.retriever import Retriever
from ...retrievers.store.records import dump_json
from ..indexing.setup import indexed
from .index_sizes import document_bytes, node_bytes
from .sampling import Stratum, stratify

__all__ = ["FileFacts", "FolderSample", "read_sample"]

READ_SECONDS = 20.0  # after which no more files are read


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What one file of the sample would give.

    Args:
        documents: 1, or 0 for a file that can't be read.
        pages: Its pages.
        texts: Its chunks, as they are indexed.
        tokens: Of all of them.
        catalog_bytes: What it takes in the catalog, without its vectors' entries.
        words: Terms, repeats counted.
        postings: Distinct terms of each chunk, in sum.
        seconds: Of reading, beside the other parsing processes, and of cutting.
    """

    documents: int = 0
    pages: int = 0
    texts: tuple[str, ...] = ()
    tokens: int = 0
    catalog_bytes: float = 0.0
    words: int = 0
    postings: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class FolderSample:
    """What was read of a folder.

    Args:
        strata: The files, with what was read of them.
        failed: What can't be read of the sample.
        terms: Distinct terms.
    """

    strata: list[Stratum[FileFacts]]
    failed: list[LoadFailure] = field(default_factory=list)
    terms: set[str] = field(default_factory=set)

    @property
    def texts(self) -> list[str]:
        """All chunks of the sample."""
        return [text for stratum in self.strata for one in stratum.read for text in one.texts]

    def total(self, name: str) -> float:
        """Returns the sum of one of `FileFacts`' numbers over the sample."""
        return float(sum(getattr(one, name) for stratum in self.strata for one in stratum.read))


def read_sample(
    files: Sequence[SourceFile], size: int, chunker: Chunker, retrievers: Sequence[Retriever]
) -> FolderSample:
    """Returns what a sample of files would give; reading ends after 20 seconds.

    Args:
        files: All files.
        size: How many to read at most, though one of every format.
        chunker: Cuts them.
        retrievers: Of the index to be made: BM25's language is that of its terms.
    """
    strata: list[Stratum[FileFacts]]
    strata, order = stratify(files, size)
    sample = FolderSample(strata)
    language = next((it.settings["language"] for it in indexed(retrievers) if "language" in it.settings), "english")
    terms = analyzer(language)
    began = time.perf_counter()
    with ParserPool() as pool:
        _timed(order[0][1], pool)  # starts a parsing process, untimed
        outcomes = map_in_order(lambda entry: _timed(entry[1], pool), order, workers=pool.max_workers)
        for (at, _), (outcome, seconds) in zip(order, outcomes, strict=True):
            if isinstance(outcome, LoadFailure):
                sample.failed.append(outcome)
                strata[at].read.append(FileFacts(seconds=seconds / pool.max_workers))
            else:
                cut = _cut(outcome, chunker, seconds / pool.max_workers)
                counted = [terms(text) for text in cut.texts]
                sample.terms.update(*counted)
                strata[at].read.append(
                    replace(cut, words=sum(map(len, counted)), postings=sum(len(set(chunk)) for chunk in counted))
                )
            if time.perf_counter() - began > READ_SECONDS:
                break
    return sample


def _timed(file: SourceFile, pool: ParserPool) -> tuple[Document | LoadFailure, float]:
    began = time.perf_counter()
    try:
        outcome: Document | LoadFailure = read(file, pool)
    except DocumentError as err:
        outcome = failure_of(err, file.path)
    return outcome, time.perf_counter() - began


def _cut(document: Document, chunker: Chunker, seconds: float) -> FileFacts:
    began = time.perf_counter()
    nodes = to_nodes(document, chunker)
    seconds += time.perf_counter() - began
    texts = tuple(indexed_text(node) for node in nodes if node.kind == "chunk")
    own = document_bytes(document.source, dump_json(dict(document.metadata)))
    return FileFacts(
        documents=1,
        pages=sum(node.kind == "page" for node in nodes),
        texts=texts,
        tokens=sum(chunker.count_tokens(texts)) if texts else 0,
        catalog_bytes=sum(map(node_bytes, nodes)) + own,
        seconds=seconds,
    )

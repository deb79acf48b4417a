"""From paths to nodes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..errors import ChangedDocumentError, DocumentError, EmptyDocumentError, InvalidArgumentError
from .chunking import Chunker, default_count_tokens, to_nodes
from .document import Document, Section
from .files import Paths, SkippedFile, open_regular, walk
from .node import LoadFailure, Metadata, Node, freeze_metadata
from .sniff import SourceFile
from .text import clean, read_text
from .worker import ParserPool, map_in_order

__all__ = ["document_from_text", "load", "read", "read_many"]

_log = logging.getLogger(__name__)


def load(paths: Paths, *, chunker: Chunker | None = None) -> Iterator[Node | LoadFailure]:
    """Yields the nodes of every file at and under the paths, and a failure for each file that can't be read.

    What a loader had to guess is logged as a warning, and files that are not read on purpose at INFO.

    Args:
        paths: One path or several; files or folders.
        chunker: How texts are cut; 254 words and punctuation marks with 32 of overlap when None.

    Raises:
        SourceRootError: A path does not exist or can't be read.
    """
    return _load(walk(paths), chunker or Chunker(default_count_tokens))


def read(file: SourceFile, pool: ParserPool | None = None) -> Document:
    """Returns the file's document, with `file_name` and `file_type` in its metadata, and `title` where it has one.

    PDF and HTML are parsed in the pool's processes; text and Markdown here.

    Args:
        file: A file found by `walk`.
        pool: Where untrusted formats are parsed; one of its own for this call when None.

    Raises:
        EmptyDocumentError: There is no text in it, and no page.
        ChangedDocumentError: It changed or vanished since it was found, or while it was read.
        DocumentError: It can't be read for another reason; the subclass says which.
    """
    _check_unchanged(file)
    document = _parse_apart(file, pool) if file.format in ("pdf", "html") else _parse_here(file)
    _check_unchanged(file)
    if not document.paged and not any(section.text.strip() for section in document.sections):
        raise EmptyDocumentError("the file holds no text: only whitespace or markup", source=file.path)
    named = {"file_name": os.path.basename(file.path), "file_type": file.format}
    return replace(document, metadata=freeze_metadata({**document.metadata, **named}))


def read_many(files: Iterable[SourceFile | LoadFailure], pool: ParserPool) -> Iterator[Document | LoadFailure]:
    """Yields a document or a failure for each file, in order, reading a little ahead of the caller.

    Args:
        files: Taken one by one, as they are needed. Failures of `walk` keep their places.
        pool: Where untrusted formats are parsed; as many files are read at a time as it has workers.
    """

    def attempt(file: SourceFile | LoadFailure) -> Document | LoadFailure:
        if isinstance(file, LoadFailure):
            return file
        try:
            return read(file, pool)
        except DocumentError as err:
            return LoadFailure(file.path, err.page, type(err).__name__, err.reason)

    return map_in_order(attempt, files, workers=pool.max_workers)


def document_from_text(source: str, text: str, metadata: Metadata | None = None) -> Document:
    r"""Returns a document given in memory: one section of plain text, its line ends made "\n".

    Args:
        source: The caller's id of it.
        text: Its text.
        metadata: What is known about it; `title` heads its chunks when they are indexed.

    Raises:
        InvalidArgumentError: The id is empty or holds lone surrogates, or the metadata are no JSON scalars or lists.
        EmptyDocumentError: The text is blank.
    """
    if not source or clean(source) != source:
        raise InvalidArgumentError(
            f"a document's id must be a non-empty text without control characters, got {source!r}"
        )
    cleaned = clean(text)
    if not cleaned.strip():
        raise EmptyDocumentError(f"the document {source!r} is blank: give it text", source=source)
    return Document(source, (Section(cleaned),), freeze_metadata(metadata or {}))


def _load(found: Iterable[SourceFile | SkippedFile | LoadFailure], chunker: Chunker) -> Iterator[Node | LoadFailure]:
    def without_skipped() -> Iterator[SourceFile | LoadFailure]:
        for item in found:
            if isinstance(item, SkippedFile):
                _log.info("%s is skipped: %s", item.source, item.reason)
            else:
                yield item

    with ParserPool() as pool:
        for document in read_many(without_skipped(), pool):
            if isinstance(document, LoadFailure):
                yield document
                continue
            for warning in document.warnings:
                _log.warning("%s: %s", document.source, warning)
            yield from to_nodes(document, chunker)


def _parse_apart(file: SourceFile, pool: ParserPool | None) -> Document:
    if pool is not None:
        return pool.parse(file)
    with ParserPool(1) as own:
        return own.parse(file)


def _parse_here(file: SourceFile) -> Document:
    try:
        with open(open_regular(file.path), "rb") as stream:
            raw = stream.read(file.size + 1)
    except OSError as err:
        raise ChangedDocumentError(f"the file can't be opened: {err.strerror or err}", source=file.path) from err
    if file.format == "markdown":
        from .markdown import read_markdown

        return read_markdown(raw, file.path)
    return read_text(raw, file.path)


def _check_unchanged(file: SourceFile) -> None:
    try:
        now = os.stat(file.path)
    except OSError as err:
        reason = f"the file vanished after it was found ({err.strerror}): run again"
        raise ChangedDocumentError(reason, source=file.path) from err
    if (now.st_size, now.st_mtime_ns) != (file.size, file.mtime_ns):
        raise ChangedDocumentError("the file changed after it was found: run again", source=file.path)

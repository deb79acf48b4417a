"""From paths to nodes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ..errors import ChangedDocumentError, DocumentError, EmptyDocumentError, InvalidArgumentError
from .boxes import Box
from .chunking import Chunker, default_count_tokens, to_nodes
from .document import Document, Section
from .failure import failure_of
from .files import Paths, SkippedFile, SourceFile, walk
from .limits import RENDER_DPI
from .node import LoadFailure, Metadata, Node, freeze_metadata
from .oddities import oddities
from .page_image import PageImage
from .parsing import parse
from .text import clean
from .worker import ParserPool, map_in_order

__all__ = ["document_from_text", "load", "read", "render_page"]

MARKDOWN_BYTES_HERE = 200_000  # dense Markdown takes seconds a MB, and no deadline can stop it in this process

_log = logging.getLogger(__name__)


def load(paths: Paths, *, chunker: Chunker | None = None) -> Iterator[Node | LoadFailure]:
    """Yields the nodes of every file at and under the paths, and a failure for each file that can't be read.

    What a loader had to guess is logged as a warning, and files that are not read on purpose at INFO.

    Args:
        paths: One path or several; files or folders.
        chunker: How texts are cut; 254 words and punctuation marks with 16 of overlap when None.

    Raises:
        SourceRootError: A path does not exist or can't be read.
    """
    return _load(walk(paths), chunker or Chunker(default_count_tokens))


def read(file: SourceFile, pool: ParserPool | None = None) -> Document:
    """Returns the file's document, with `file_name` and `file_type` in its metadata, and `title` where it has one.

    PDF, HTML, Office files, images and long Markdown are parsed in the pool's processes, which have deadlines; text and
    short Markdown here.

    Args:
        file: A file found by `walk`.
        pool: Where files are parsed apart; one of its own for this call when None.

    Raises:
        EmptyDocumentError: There is no text in it, and no page.
        ChangedDocumentError: It changed or vanished since it was found, or while it was read.
        DocumentError: It can't be read for another reason; the subclass says which.
    """
    _check_unchanged(file)
    document = _parse_apart(file, pool) if _is_risky(file) else parse(file.path, file.format)
    _check_unchanged(file)
    if not document.paged and not any(section.text.strip() for section in document.sections):
        raise EmptyDocumentError("the file holds no text: only whitespace or markup", source=file.path)
    named = {"file_name": os.path.basename(file.path), "file_type": file.format}
    return replace(
        document,
        metadata=freeze_metadata({**document.metadata, **named}),
        warnings=(*document.warnings, *_blank(document), *oddities(document.sections)),
    )


def render_page(
    file: SourceFile, page: int, *, dpi: float = RENDER_DPI, marks: Sequence[Box] = (), pool: ParserPool | None = None
) -> PageImage:
    """Returns a page of a PDF or a frame of an image file as a picture, made in the pool's processes.

    Args:
        file: A file found by `walk`.
        page: 1-based page number.
        dpi: Dots per inch. An image is scaled down to them, never up.
        marks: What to mark in yellow on a PDF's page: boxes in points, as `ParserPool.boxes` gives them.
        pool: Where files are parsed apart; one of its own for this call when None.

    Raises:
        InvalidArgumentError: There is no such page, or `dpi` is not above 0.
        UnsupportedFormatError: The file is neither a PDF nor an image.
        LimitExceededError: The picture would have over 40 megapixels: nothing is drawn, and the message says what fits.
        ChangedDocumentError: The file changed or vanished since it was found, or while it was read.
        DocumentError: It can't be read for another reason; the subclass says which.
    """
    if pool is None:
        with ParserPool(1) as own:
            return render_page(file, page, dpi=dpi, marks=marks, pool=own)
    _check_unchanged(file)
    picture = pool.render(file, page, dpi=dpi, marks=marks)
    _check_unchanged(file)
    return picture


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
        for document in _read_each(without_skipped(), pool):
            if isinstance(document, LoadFailure):
                yield document
                continue
            for warning in document.warnings:
                _log.warning("%s: %s", document.source, warning)
            yield from to_nodes(document, chunker)


def _read_each(files: Iterable[SourceFile | LoadFailure], pool: ParserPool) -> Iterator[Document | LoadFailure]:
    """Yields a document or a failure for each file, in order, reading a little ahead; failures of `walk` stay."""

    def attempt(file: SourceFile | LoadFailure) -> Document | LoadFailure:
        if isinstance(file, LoadFailure):
            return file
        try:
            return read(file, pool)
        except DocumentError as err:
            return failure_of(err, file.path)

    return map_in_order(attempt, files, workers=pool.max_workers)


def _is_risky(file: SourceFile) -> bool:
    if file.format == "markdown":
        return file.size > MARKDOWN_BYTES_HERE
    return file.format != "text"


def _parse_apart(file: SourceFile, pool: ParserPool | None) -> Document:
    if pool is not None:
        return pool.parse(file)
    with ParserPool(1) as own:
        return own.parse(file)


def _blank(document: Document) -> tuple[str, ...]:
    """Returns a warning where nothing is on any page: such a file is indexed, and no search will ever find it."""
    if document.warnings or any(section.text.strip() for section in document.sections):
        return ()
    count = len(document.sections)
    blank = "its only page is blank" if count == 1 else f"all {count:,} pages are blank"
    return (f"{blank}: nothing of it can be found",)


def _check_unchanged(file: SourceFile) -> None:
    try:
        now = os.stat(file.path)
    except OSError as err:
        reason = f"the file vanished after it was found ({err.strerror}): run again"
        raise ChangedDocumentError(reason, source=file.path) from err
    if (now.st_size, now.st_mtime_ns) != (file.size, file.mtime_ns):
        raise ChangedDocumentError("the file changed after it was found: run again", source=file.path)

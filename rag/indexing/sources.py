"""From what the caller named to documents: files read ahead in threads, documents in memory as they come."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias

from ...errors import DocumentError, InvalidArgumentError, SourceRootError, UnsupportedFormatError
from ...loaders.document import Document
from ...loaders.failure import failure_of
from ...loaders.files import Found, SkippedFile, SourceFile
from ...loaders.load import document_from_text, read
from ...loaders.node import LoadFailure
from ...loaders.text import clean
from ...loaders.worker import ParserPool, map_in_order
from ...retrievers.store import StoredDocument
from ...retrievers.store.records import dump_json
from ...retrievers.store.segments import hash_file
from .ingest import Ingest

__all__ = ["Source", "add_documents", "add_files", "split_sources"]

Source: TypeAlias = str | Path | Document | Mapping[str, Any]

DOCUMENT_KEYS = {"id", "text", "metadata"}

Read: TypeAlias = tuple[Document | None, str] | LoadFailure  # None: the content is what the index holds


def split_sources(sources: Source | Iterable[Source]) -> tuple[list[Path], Iterable[Source]]:
    """Returns the paths and the documents among the sources; an iterator over documents is passed on unread.

    Raises:
        InvalidArgumentError: What was handed over is no source and no iterable of sources, or a path is empty.
    """
    if isinstance(sources, str | Path | Document | Mapping):
        sources = [sources]
    if not isinstance(sources, Iterable) or isinstance(sources, bytes | bytearray):
        raise InvalidArgumentError(
            f"a source must be a path, a Document or a mapping, or several of them, got {sources!r:.80}"
        )
    if not isinstance(sources, Sequence):
        iterator = iter(sources)
        first = list(islice(iterator, 1))
        if not first or not isinstance(first[0], str | Path):
            return [], chain(first, iterator)
        sources = [*first, *iterator]
    if "" in sources:
        raise InvalidArgumentError("a path must not be empty: for the working directory write '.'")
    paths = [Path(source) for source in sources if isinstance(source, str | Path)]
    return paths, [source for source in sources if not isinstance(source, str | Path)]


def add_files(ingest: Ingest, paths: Sequence[Path], found: Iterable[Found], *, sync: bool = False) -> None:
    """Adds the files that were found under the paths; with `sync`, takes out the documents whose files are gone.

    Raises:
        SourceRootError: With `sync`, a folder holds no file that is read, and the index has documents from it. Nothing
            is changed then.
    """
    entries = list(found)
    roots = [_Root(path, ingest) for path in paths] if sync else []
    for root in roots:
        root.refuse_if_emptied(entries)
    files = [entry for entry in entries if isinstance(entry, SourceFile)]
    failures = [entry for entry in entries if isinstance(entry, LoadFailure)]
    ingest.expect(len(files) + len(failures))
    for failure in failures:
        ingest.fail(failure)
    for skipped in (entry for entry in entries if isinstance(entry, SkippedFile)):
        _skip(ingest, skipped)
    _read_changed(ingest, files)
    if sync:
        gone = _gone(roots, entries)
        ingest.remove(sorted(gone, key=lambda document: document.source))


def _read_changed(ingest: Ingest, files: Sequence[SourceFile]) -> None:
    changed = []
    for file in files:
        known = ingest.known(file.path)
        if known is not None and known.stat == _stat(file) and known.stale is None:
            ingest.keep(known, known.stat)
        else:
            changed.append(file)
    with ParserPool() as pool:
        read_ahead = map_in_order(lambda file: _read(file, ingest, pool), changed, workers=pool.max_workers)
        for file, outcome in zip(changed, read_ahead, strict=True):
            _put(ingest, file, outcome)


def _skip(ingest: Ingest, skipped: SkippedFile) -> None:
    """Reports a file that nobody reads; one that the index has an older, readable version of has failed."""
    if ingest.known(skipped.source) is None:
        ingest.skip(skipped)
    else:
        reason = f"{skipped.reason}, which is not read: the version that was read before stays"
        ingest.fail(LoadFailure(skipped.source, None, UnsupportedFormatError.__name__, reason))


def add_documents(ingest: Ingest, documents: Iterable[Source]) -> None:
    """Adds documents in memory: `Document` objects, or mappings with "id", "text" and, if wanted, "metadata".

    Raises:
        InvalidArgumentError: A document has another shape, an id stands twice, or an id is the path of a file in the
            index. What came before it is committed.
    """
    if isinstance(documents, Sequence):
        ingest.expect(len(documents))
    seen: set[str] = set()
    try:
        for entry in documents:
            _add_document(ingest, entry, seen)
    except Exception:
        ingest.commit()
        raise


def _add_document(ingest: Ingest, entry: Source, seen: set[str]) -> None:
    try:
        document = _as_document(entry)
    except DocumentError as err:
        ingest.fail(failure_of(err, err.source))
        return
    known = ingest.known(document.source)
    if document.source in seen:
        raise InvalidArgumentError(f"the document id {document.source!r} stands twice in one call: ids must be unique")
    if known is not None and known.stat is not None:
        raise InvalidArgumentError(f"the document id {document.source!r} is a file of the index: give it another id")
    seen.add(document.source)
    content_hash = _hash_document(document)
    if known is not None and known.content_hash == content_hash:
        ingest.keep(known)
    else:
        ingest.put(document, content_hash)


def _as_document(entry: Source) -> Document:
    if isinstance(entry, Document):
        return _checked(entry)
    if isinstance(entry, str | Path):
        raise InvalidArgumentError(
            f"paths and documents can't be mixed in an iterator, got {entry!r}: hand over a list"
        )
    if not isinstance(entry, Mapping):
        raise InvalidArgumentError(
            f"a source must be a path, a Document or a mapping with an id and a text, got {entry!r:.80}"
        )
    source, text = entry.get("id"), entry.get("text")
    if unknown := sorted(map(str, set(entry) - DOCUMENT_KEYS)):
        raise InvalidArgumentError(
            f"a document must have an 'id' and a 'text' and may have 'metadata', got the keys {unknown} too"
        )
    if not isinstance(source, str) or not source:
        raise InvalidArgumentError(f"a document's 'id' must be a string that is not empty, got {source!r:.80}")
    if not isinstance(text, str):
        raise InvalidArgumentError(f"the 'text' of the document {source!r:.80} must be a string, got {text!r:.80}")
    return document_from_text(source, text, entry.get("metadata") or {})


def _checked(document: Document) -> Document:
    """Returns the caller's document.

    Raises:
        InvalidArgumentError: Its id or a text can't be written as UTF-8, or two of its sections stand at one place.
    """
    for text in (document.source, *(section.text for section in document.sections)):
        if clean(text) != text:
            raise InvalidArgumentError(
                f"the document {document.source!r} holds control characters or lone surrogates: "
                "use lateral.loaders.text.clean on its id and its texts"
            )
    places = [(section.page, section.start_char) for section in document.sections if section.text.strip()]
    if len(set(places)) != len(places):
        raise InvalidArgumentError(
            f"two sections of the document {document.source!r} stand at one place: give each its page or its start_char"
        )
    return document


def _hash_document(document: Document) -> str:
    parts = [[section.text, section.page, section.start_char, dict(section.metadata)] for section in document.sections]
    content = dump_json([parts, dict(document.metadata)])
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def _read(file: SourceFile, ingest: Ingest, pool: ParserPool) -> Read:
    known = ingest.known(file.path)
    try:
        content_hash = hash_file(Path(file.path))
        if known is not None and known.content_hash == content_hash:
            return None, content_hash
        return read(file, pool), content_hash
    except DocumentError as err:
        return failure_of(err, file.path)
    except OSError as err:
        return LoadFailure(
            file.path, None, type(err).__name__, f"{err.strerror or err}: check that the file is there and readable"
        )


def _put(ingest: Ingest, file: SourceFile, outcome: Read) -> None:
    known = ingest.known(file.path)
    if isinstance(outcome, LoadFailure):
        ingest.fail(outcome)
        return
    document, content_hash = outcome
    if document is not None:
        ingest.put(document, content_hash, _stat(file))
    elif known is not None:
        ingest.keep(known, _stat(file))


def _stat(file: SourceFile) -> tuple[int, int, int]:
    return file.size, file.mtime_ns, file.ctime_ns


class _Root:
    """A folder or file that is synced, and the documents that the index has from it."""

    def __init__(self, path: Path, ingest: Ingest) -> None:
        self.path = os.path.abspath(path.expanduser())
        self._below = self.path.rstrip(os.sep) + os.sep
        self.documents = [it for it in ingest.documents() if it.stat is not None and self.covers(it.source)]

    def covers(self, source: str) -> bool:
        """Returns whether a source is this path or lies below it."""
        return source == self.path or source.startswith(self._below)

    def refuse_if_emptied(self, entries: Sequence[Found]) -> None:
        """Raises when nothing readable is left where documents came from: a disk that is not mounted looks like that.

        Raises:
            SourceRootError: That is so.
        """
        met = (entry.path if isinstance(entry, SourceFile) else entry.source for entry in entries if _is_read(entry))
        if self.documents and os.path.isdir(self.path) and not any(map(self.covers, met)):
            raise SourceRootError(
                f"'{self.path}' is empty, and the index holds {len(self.documents)} documents from it: if the folder "
                "is not mounted, mount it; if its documents are to go, run `lateral remove` on it"
            )


def _is_read(entry: Found) -> bool:
    return not isinstance(entry, SkippedFile)


def _gone(roots: Sequence[_Root], entries: Sequence[Found]) -> set[StoredDocument]:
    """Returns the documents from under the roots whose files the walk no longer met.

    What could not be read is not gone: neither a file that failed nor what lies under a folder that was not walked.
    """
    present = {entry.path if isinstance(entry, SourceFile) else entry.source for entry in entries}
    unwalked = tuple(entry.source + os.sep for entry in entries if not isinstance(entry, SourceFile))
    return {
        document
        for root in roots
        for document in root.documents
        if document.source not in present and not document.source.startswith(unwalked)
    }

"""From what the caller named to documents: files read ahead in threads, documents in memory as they come."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import DocumentError, InvalidArgumentError, SourceRootError
from ..loaders.document import Document
from ..loaders.files import Found, SkippedFile, SourceFile
from ..loaders.load import document_from_text, read
from ..loaders.node import LoadFailure
from ..loaders.worker import ParserPool, map_in_order
from ..retrievers.store import StoredDocument
from ..retrievers.store.records import dump_json
from ..retrievers.store.segments import hash_file
from .ingest import Ingest

__all__ = ["Source", "add_documents", "add_files", "split_sources"]

Source: TypeAlias = str | Path | Document | Mapping[str, Any]

DOCUMENT_KEYS = {"id", "text", "metadata"}

Read: TypeAlias = tuple[Document | None, str] | LoadFailure  # None: the content is what the index holds


def split_sources(sources: Source | Iterable[Source]) -> tuple[list[Path], Iterable[Source]]:
    """Returns the paths and the documents among the sources; an iterator over documents is passed on unread.

    Raises:
        InvalidArgumentError: What was handed over is no source and no iterable of sources.
    """
    if isinstance(sources, str | Path):
        return [Path(sources)], []
    if isinstance(sources, Document | Mapping):
        return [], [sources]
    if not isinstance(sources, Iterable):
        raise InvalidArgumentError(
            f"a source must be a path, a Document or a mapping, or several of them, got {sources!r}"
        )
    if not isinstance(sources, Sequence):
        iterator = iter(sources)
        first = list(islice(iterator, 1))
        if not first or not isinstance(first[0], str | Path):
            return [], chain(first, iterator)
        sources = [*first, *iterator]
    paths = [Path(source) for source in sources if isinstance(source, str | Path)]
    return paths, [source for source in sources if not isinstance(source, str | Path)]


def add_files(ingest: Ingest, paths: Sequence[Path], found: Iterable[Found], *, sync: bool = False) -> None:
    """Adds the files that were found under the paths; with `sync`, takes out the documents whose files are gone.

    Raises:
        SourceRootError: With `sync`, a folder is empty that the index has documents from. Nothing is changed then.
    """
    entries = list(found)
    if sync:
        _refuse_empty_roots(ingest, paths, entries)
    files = [entry for entry in entries if isinstance(entry, SourceFile)]
    ingest.total = (ingest.total or 0) + len(files) + sum(isinstance(entry, LoadFailure) for entry in entries)
    for entry in entries:
        if isinstance(entry, SkippedFile):
            ingest.skip(entry)
        elif isinstance(entry, LoadFailure):
            ingest.fail(entry)
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
    if sync:
        ingest.remove(_gone(ingest, paths, entries))


def add_documents(ingest: Ingest, documents: Iterable[Source]) -> None:
    """Adds documents in memory: `Document` objects, or mappings with "id", "text" and, if wanted, "metadata".

    Raises:
        InvalidArgumentError: A document has another shape, or an id stands twice. What came before it is kept.
    """
    if isinstance(documents, Sequence):
        ingest.total = (ingest.total or 0) + len(documents)
    seen: set[str] = set()
    for entry in documents:
        try:
            document = _as_document(entry)
        except DocumentError as err:
            ingest.fail(LoadFailure(err.source, err.page, type(err).__name__, err.reason))
            continue
        if document.source in seen:
            raise InvalidArgumentError(
                f"the document id {document.source!r} stands twice in one call: ids must be unique"
            )
        seen.add(document.source)
        content_hash = _hash_document(document)
        known = ingest.known(document.source)
        if known is not None and known.content_hash == content_hash:
            ingest.keep(known)
        else:
            ingest.put(document, content_hash)


def _as_document(entry: Source) -> Document:
    if isinstance(entry, Document):
        return entry
    if not isinstance(entry, Mapping):
        raise InvalidArgumentError(
            f"a source must be a path, a Document or a mapping with an id and a text, got {entry!r:.80}"
        )
    unknown, source, text = set(entry) - DOCUMENT_KEYS, entry.get("id"), entry.get("text")
    if unknown or not isinstance(source, str) or not source or not isinstance(text, str):
        raise InvalidArgumentError(
            "a document must have an 'id' and a 'text' (strings) and may have 'metadata', "
            f"got the keys {sorted(map(str, entry))}"
        )
    return document_from_text(source, text, entry.get("metadata") or {})


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
        return LoadFailure(file.path, err.page, type(err).__name__, err.reason)
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


def _gone(ingest: Ingest, paths: Sequence[Path], entries: Sequence[Found]) -> list[StoredDocument]:
    """Returns the documents from under the paths whose files the walk no longer met.

    What could not be read is not gone: neither a file that failed nor what lies under a folder that was not walked.
    """
    present = {
        entry.path if isinstance(entry, SourceFile) else entry.source
        for entry in entries
        if not isinstance(entry, SkippedFile)
    }
    unwalked = tuple(entry.source + os.sep for entry in entries if not isinstance(entry, SourceFile))
    return [
        document
        for document in ingest.documents()
        if document.stat is not None
        and any(_is_under(document.source, path) for path in paths)
        and document.source not in present
        and not document.source.startswith(unwalked)
    ]


def _refuse_empty_roots(ingest: Ingest, paths: Sequence[Path], entries: Sequence[Found]) -> None:
    for path in paths:
        held = sum(document.stat is not None and _is_under(document.source, path) for document in ingest.documents())
        if held and path.is_dir() and not entries:
            raise SourceRootError(
                f"'{path}' is empty, and the index holds {held} documents from it: if the folder is not mounted, mount "
                "it; if its documents are to go, run `lateral remove` on it"
            )


def _is_under(source: str, path: Path) -> bool:
    root = os.path.abspath(path.expanduser())
    return source == root or source.startswith(root.rstrip(os.sep) + os.sep)

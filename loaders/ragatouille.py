"""A RAGatouille index to documents: its texts, ids and metadata, read from JSON files, never from pickles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CorruptDocumentError, InvalidArgumentError, SourceRootError
from .document import Document, Section
from .node import MetadataValue, freeze_metadata
from .text import clean

__all__ = ["import_ragatouille"]

COLLECTION, IDS, METADATA = "collection.json", "pid_docid_map.json", "docid_metadata_map.json"
OWN_FIELDS = ("source", "page", "kind", "document_id")  # of a node: a filter never looks for metadata of these names
BETWEEN = 2  # characters between the places of two passages, as a blank line would be
SHOWN_CHARS = 80


def import_ragatouille(path: str | Path) -> list[Document]:
    """Returns the documents of an index that RAGatouille has written, for `RAG.add`.

    A document is what RAGatouille has one id for, in the order of the passages, and each of its passages is a section
    of its own: no chunk crosses from one into the next, and one that is longer than a chunk is cut. Metadata that a
    filter can't read, such as an object in an object, become JSON text, and the document's warnings say so; and which
    keys a filter never finds, since a node has fields of these names.

    Only three files of JSON are read. The vectors are not: RAGatouille keeps them compressed, in pickles. So the texts
    are encoded anew when they are added.

    Args:
        path: The index's folder, such as ".ragatouille/colbert/indexes/NAME".

    Raises:
        SourceRootError: There is no such index, or a file of it can't be read.
        CorruptDocumentError: A file is no JSON or not of RAGatouille's form; or passages were deleted, after which
            RAGatouille no longer knows which text is whose.
    """
    folder = Path(path).expanduser().absolute()
    if not (folder / COLLECTION).is_file():
        raise SourceRootError(
            f"'{folder}' is no RAGatouille index: it has no {COLLECTION}. Such an index is a folder like "
            "'.ragatouille/colbert/indexes/NAME'"
        )
    passages = _passages(folder / COLLECTION)
    ids = _ids(folder / IDS, len(passages))
    metadata = _metadata(folder / METADATA, set(ids))
    of_document: dict[str, list[str]] = {}
    for source, text in zip(ids, passages, strict=True):
        of_document.setdefault(source, []).append(text)
    return [
        _document(folder / METADATA, source, texts, metadata.get(source) or {}) for source, texts in of_document.items()
    ]


def _passages(path: Path) -> list[str]:
    found = _read(path)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise _damaged(path, "a list of texts was expected")
    return [clean(text) for text in found]


def _ids(path: Path, passages: int) -> list[str]:
    """Returns the id of each passage's document, in the order of the passages."""
    if not path.is_file():
        raise SourceRootError(
            f"'{path}' is missing: it says which document a passage is of, and old versions of RAGatouille wrote none"
        )
    found = _read(path)
    if not isinstance(found, dict):
        raise _damaged(path, "an object of passage numbers and document ids was expected")
    for number, source in found.items():
        if not isinstance(source, str) or not source.strip() or clean(source) != source:
            shown = f"passage {number!r:.{SHOWN_CHARS}} has the document id {source!r:.{SHOWN_CHARS}}"
            raise _damaged(path, f"{shown}: a text without control characters was expected")
    wanted = [str(number) for number in range(passages)]
    if len(found) != passages or any(number not in found for number in wanted):
        raise _damaged(
            path,
            f"it has {len(found)} ids, and {COLLECTION} {passages} passages, or their numbers have gaps. Where "
            "passages were deleted, RAGatouille no longer knows which text is whose: import the index as it was before",
        )
    return [found[number] for number in wanted]


def _metadata(path: Path, ids: set[str]) -> dict[str, Any]:
    if not path.exists():  # it is written only where there are metadata
        return {}
    found = _read(path)
    if not isinstance(found, dict):
        raise _damaged(path, "an object of document ids and their metadata was expected")
    for source, entry in found.items():
        if entry is not None and not isinstance(entry, dict):
            raise _damaged(path, f"the metadata of {source!r:.{SHOWN_CHARS}} are no object")
    return {source: entry for source, entry in found.items() if source in ids}


def _document(path: Path, source: str, passages: list[str], metadata: Mapping[str, Any]) -> Document:
    sections = []
    start = 0
    for text in passages:
        sections.append(Section(text, start_char=start))
        start += len(text) + BETWEEN
    values, changed = _readable(path, source, metadata)
    notes = [f"metadata that no filter can read are kept as JSON text: {', '.join(changed)}"] if changed else []
    if hidden := [key for key in values if key in OWN_FIELDS]:
        notes.append(f"a filter for {', '.join(hidden)} reads the node's own, not the metadata of the same name")
    if not any(text.strip() for text in passages):
        notes.append("it has no text")
    return Document(source, tuple(sections), freeze_metadata(values), tuple(notes))


def _readable(path: Path, source: str, metadata: Mapping[str, Any]) -> tuple[dict[str, MetadataValue], list[str]]:
    """Returns the metadata with what no filter can read as JSON text, and the keys of that."""
    values: dict[str, MetadataValue] = {}
    changed = []
    for key, value in metadata.items():
        try:
            freeze_metadata({key: value})
            values[key] = value
        except InvalidArgumentError:
            values[key] = json.dumps(value, sort_keys=True)
            changed.append(key)
    try:
        freeze_metadata(values)
    except InvalidArgumentError as err:  # a key
        raise _damaged(path, f"the metadata of {source!r:.{SHOWN_CHARS}} can't be used: {err}") from err
    return values, changed


def _read(path: Path) -> Any:  # noqa: ANN401 (whatever JSON holds)
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as err:
        raise SourceRootError(f"'{path}' can't be read: {err.strerror or err}") from err
    except (ValueError, RecursionError) as err:
        raise _damaged(path, f"it is no JSON in UTF-8 ({str(err)[:SHOWN_CHARS]})") from err


def _damaged(path: Path, reason: str) -> CorruptDocumentError:
    return CorruptDocumentError(f"'{path}' is not as RAGatouille writes it: {reason}", source=str(path))

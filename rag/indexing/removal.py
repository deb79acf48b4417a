"""Which documents a caller means."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ...errors import InvalidArgumentError
from ...retrievers.store import StoredDocument

__all__ = ["find_documents"]


def find_documents(documents: Sequence[StoredDocument], names: Sequence[str]) -> list[StoredDocument]:
    """Returns the documents that the names mean, in the order of their sources.

    An exact id or source wins over a path.

    Args:
        documents: What the index holds.
        names: Each a document id, a caller's own id, a path, or a folder above the documents. The files themselves
            need not exist any more.

    Raises:
        InvalidArgumentError: A name means no document, or is empty.
    """
    exact: dict[str, list[StoredDocument]] = {}
    for document in documents:
        for key in {document.id, document.source}:
            exact.setdefault(key, []).append(document)
    found: dict[str, StoredDocument] = {}
    for name in names:
        matches = exact.get(name) or _under(documents, exact, name)
        if not matches:
            raise InvalidArgumentError(f"the index holds no document {name!r}: `lateral status` lists what it holds")
        found.update((document.id, document) for document in matches)
    return sorted(found.values(), key=lambda document: document.source)


def _under(
    documents: Sequence[StoredDocument], exact: dict[str, list[StoredDocument]], name: str
) -> list[StoredDocument]:
    if not name:
        raise InvalidArgumentError("a path or document id must not be empty: for the working directory write '.'")
    path = os.path.abspath(os.path.expanduser(name))
    below = path.rstrip(os.sep) + os.sep
    files = exact.get(path) or [document for document in documents if document.source.startswith(below)]
    return [document for document in files if document.stat is not None]

"""Which documents a caller means."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..errors import InvalidArgumentError
from ..retrievers.store import StoredDocument

__all__ = ["find_documents"]


def find_documents(documents: Sequence[StoredDocument], names: Sequence[str]) -> list[StoredDocument]:
    """Returns the documents that the names mean, in the order of their sources.

    Args:
        documents: What the index holds.
        names: Each a document id, a caller's own id, a path, or a folder above the documents. The files themselves
            need not exist any more.

    Raises:
        InvalidArgumentError: A name means no document.
    """
    found: dict[str, StoredDocument] = {}
    for name in names:
        path = os.path.abspath(os.path.expanduser(name))
        below = path.rstrip(os.sep) + os.sep
        matches = [
            document
            for document in documents
            if document.id == name
            or document.source == name
            or (document.stat is not None and (document.source == path or document.source.startswith(below)))
        ]
        if not matches:
            raise InvalidArgumentError(f"the index holds no document {name!r}: `lateral status` lists what it holds")
        found.update((document.id, document) for document in matches)
    return sorted(found.values(), key=lambda document: document.source)

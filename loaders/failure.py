"""From an error about a file to the failure that stands in its place."""

from __future__ import annotations

from ..errors import DocumentError
from .node import LoadFailure

__all__ = ["failure_of"]


def failure_of(err: DocumentError, source: str) -> LoadFailure:
    """Returns the failure that reports an error.

    Args:
        err: Why the file, or one page of it, could not be turned into nodes.
        source: The file's absolute path, or the caller's id of a document in memory.
    """
    return LoadFailure(source, err.page, type(err).__name__, err.reason)

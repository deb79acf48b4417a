"""From an error about a file to the failure that stands in its place, and back."""

from __future__ import annotations

from .. import errors
from ..errors import ChangedDocumentError, DocumentError
from .node import LoadFailure

__all__ = ["error_of", "failure_of"]


def failure_of(err: DocumentError, source: str) -> LoadFailure:
    """Returns the failure that reports an error.

    Args:
        err: Why the file, or one page of it, could not be turned into nodes.
        source: The file's absolute path, or the caller's id of a document in memory.
    """
    return LoadFailure(source, err.page, type(err).__name__, err.reason)


def error_of(failure: LoadFailure) -> DocumentError:
    """Returns the error that a failure reports.

    Args:
        failure: Of a file. What the system said of it, such as "PermissionError", becomes `ChangedDocumentError`.
    """
    kind: type[DocumentError] = getattr(errors, failure.error, ChangedDocumentError)
    return kind(failure.reason, source=failure.source, page=failure.page)

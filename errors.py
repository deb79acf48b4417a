"""Every error that lateral raises on purpose: one sentence a class, one tree."""

from __future__ import annotations

__all__ = [
    "ChangedDocumentError",
    "ChatModelError",
    "ChatModelRefusedError",
    "ChatModelReplyError",
    "ChatModelTimeoutError",
    "ChatModelUnavailableError",
    "ChatModelUnreachableError",
    "CorruptDocumentError",
    "DocumentError",
    "EmptyDocumentError",
    "EncoderMismatchError",
    "EncodingError",
    "EncryptedDocumentError",
    "FilterError",
    "IndexConfigError",
    "IndexCorruptError",
    "IndexLockedError",
    "IndexNotFoundError",
    "IndexVersionError",
    "InvalidArgumentError",
    "LateralError",
    "LimitExceededError",
    "MissingExtraError",
    "MissingToolError",
    "ModelNotFoundError",
    "SourceRootError",
    "StorageError",
    "StoreError",
    "UnsafeDocumentError",
    "UnsafePathError",
    "UnsupportedFormatError",
]


class LateralError(Exception):
    """The root of every error that lateral raises on purpose."""


class InvalidArgumentError(LateralError, ValueError):
    """An argument is outside what the call accepts; the message names it, the bound and what came."""


class FilterError(InvalidArgumentError):
    """A `where` filter has an unknown operator, a wrong operand or a wrong shape."""


class MissingExtraError(LateralError, ImportError):
    """An optional package is not installed; the message is the pip line that installs it."""


class MissingToolError(LateralError):
    """A program of the system that is needed, such as a compiler, is not there; the message says how to install it."""


class ModelNotFoundError(LateralError):
    """A model could not be had; the message says every place that was tried."""


class ChatModelError(LateralError):
    """A chat model gave no usable answer; the root of the ways it can fail."""


class ChatModelTimeoutError(ChatModelError):
    """A deadline passed before the chat model's answer was there; the message names which, and the time it had."""


class ChatModelUnavailableError(ChatModelError):
    """The chat model's server can't be reached, is overloaded or broken, or was given up on after repeated failures."""


class ChatModelUnreachableError(ChatModelUnavailableError):
    """No connection to the chat model's server could be made: its address is wrong, or it does not run."""


class ChatModelRefusedError(ChatModelError):
    """The server refused the request itself: a wrong key, an unknown model, a prompt too long."""


class ChatModelReplyError(ChatModelError):
    """What came back is no answer of a chat model: broken JSON, no choices, another content type, cut short."""


class EncodingError(LateralError):
    """A model gave vectors that are not finite numbers."""


class DocumentError(LateralError):
    """A file could not be turned into nodes.

    Args:
        reason: What is wrong and what to do.
        source: The file's absolute path, or the caller's id of a document in memory.
        page: The 1-based page, or None when it is about the whole file.
    """

    def __init__(self, reason: str, *, source: str = "", page: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.source = source
        self.page = page

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross the border of the parsing process."""
        return _rebuild_document_error, (type(self), self.reason, self.source, self.page)


def _rebuild_document_error(kind: type[DocumentError], reason: str, source: str, page: int | None) -> DocumentError:
    return kind(reason, source=source, page=page)


class EmptyDocumentError(DocumentError):
    """The file holds no bytes, or no text and no page."""


class EncryptedDocumentError(DocumentError):
    """The file needs a password to be read."""


class CorruptDocumentError(DocumentError):
    """The file's content breaks its format's rules, or crashed its parser."""


class LimitExceededError(DocumentError):
    """The file is larger, or takes longer to read, than the stated limit."""


class ChangedDocumentError(DocumentError):
    """The file changed, vanished or became unreadable between being found and being read."""


class UnsafePathError(DocumentError):
    """The file is a link that leads out of the folder, or its name is no text."""


class UnsafeDocumentError(DocumentError):
    """The file is made to do harm: an archive that lies or inflates like a bomb, or XML that defines entities."""


class UnsupportedFormatError(DocumentError):
    """No loader reads the file's format as it is; the message says what to convert it to, or what to install."""


class SourceRootError(LateralError):
    """A folder or file that was to be read is missing or unreadable, so nothing was changed."""


class StoreError(LateralError):
    """The root of the errors that concern the index directory."""


class StorageError(StoreError):
    """The disk is full, or the system refuses to read or write the index; the message names the path and what to do."""


class IndexNotFoundError(StoreError):
    """There is no index at this path."""


class IndexLockedError(StoreError):
    """Another process, or another thread of this one, is writing to this index."""


class IndexVersionError(StoreError):
    """The index was written by a newer lateral, with a schema this version does not know."""


class IndexCorruptError(StoreError):
    """A file of the index is damaged or missing; the message names it and the way to repair it."""


class IndexConfigError(StoreError):
    """The call asks for retrievers, chunking or a language other than the index was made with."""


class EncoderMismatchError(IndexConfigError):
    """The encoder's vector space is not the one that the index's vectors live in."""

"""The node: the unit of text or page that everything else retrieves, ranks and cites."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

from ..errors import InvalidArgumentError

__all__ = ["Kind", "LoadFailure", "Metadata", "MetadataValue", "Node", "document_id", "freeze_metadata", "node_id"]

MetadataValue: TypeAlias = "str | int | float | bool | list[str] | list[int] | list[float] | list[bool] | None"
Metadata: TypeAlias = Mapping[str, MetadataValue]
Kind: TypeAlias = Literal["chunk", "page"]

DOCUMENT_ID_CHARS = (
    16  # 64 bits: two of a million documents collide with a chance of 3e-8, and the store refuses a collision
)
NODE_ID_CHARS = 24  # 96 bits: a hundred million nodes stay distinct with a chance above 1 - 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One chunk of text, or one page of a paged document. Equal, and hashed, by id.

    Args:
        id: Deterministic: `node_id` of the document, page, kind, position and content.
        document_id: `document_id(source)`.
        source: Absolute path of the file, or the caller's id for a document given in memory.
        page: 1-based page number, None where the source has no pages.
        kind: "chunk" for a passage of text, "page" for a whole page.
        text: Verbatim text. A page without a text layer has the empty text.
        start_char: Offset of the first character in the page's text (or the document's, without pages).
        end_char: Offset behind the last character.
        metadata: Copied and frozen. JSON scalars, or lists of one scalar type.
    """

    id: str
    document_id: str
    source: str
    page: int | None
    kind: Kind
    text: str
    start_char: int
    end_char: int
    metadata: Metadata = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metadata", freeze_metadata(self.metadata))

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Node) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[object, ...]:
        """Frozen mappings do not pickle, so the metadata travels as a dict."""
        place = (self.id, self.document_id, self.source, self.page, self.kind)
        return Node, (*place, self.text, self.start_char, self.end_char, dict(self.metadata))


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A file, or one page of it, that could not be turned into nodes.

    Args:
        source: Absolute path of the file, or the caller's id.
        page: 1-based page, or None when the whole file failed.
        error: The error's class name, such as "EncryptedDocumentError".
        reason: What is wrong and what to do.
    """

    source: str
    page: int | None
    error: str
    reason: str


def document_id(source: str) -> str:
    """Returns the short, stable id of a source: the first 64 bits of its SHA-256, as hex."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:DOCUMENT_ID_CHARS]


def node_id(document: str, page: int | None, kind: Kind, start_char: int, text: str) -> str:
    """Returns the node's deterministic id: the first 96 bits of a SHA-256 over place and content, as hex.

    Args:
        document: The document's id.
        page: 1-based page or None.
        kind: "chunk" or "page".
        start_char: Where the text begins in its page or document.
        text: The node's text.
    """
    digest = hashlib.sha256(f"{document}\0{page or 0}\0{kind}\0{start_char}\0".encode())
    digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:NODE_ID_CHARS]


def freeze_metadata(metadata: Metadata) -> Metadata:
    """Returns a read-only copy of the metadata.

    Raises:
        InvalidArgumentError: It is no mapping, a key is no string, or a value is no JSON scalar or list of one type.
    """
    if isinstance(metadata, MappingProxyType):
        return metadata
    if not isinstance(metadata, Mapping):
        raise InvalidArgumentError(f"metadata must be a mapping, got {metadata!r:.80} ({type(metadata).__name__})")
    for key, value in metadata.items():
        if not isinstance(key, str) or not _is_unicode(key):
            raise InvalidArgumentError(f"a metadata key must be a string without lone surrogates, got {key!r}")
        values = value if isinstance(value, list) else [value]
        if len({type(item) for item in values}) > 1 or not all(_is_scalar(item, value) for item in values):
            raise InvalidArgumentError(
                f"metadata[{key!r}] must be a string (no lone surrogates), a finite number, a bool, None or a list of "
                f"one of these, got {str(value)[:80]!r} ({type(value).__name__})"
            )
    return MappingProxyType(dict(metadata))


def _is_scalar(item: object, whole: object) -> bool:
    if item is None:
        return whole is None
    if isinstance(item, str):
        return _is_unicode(item)
    return isinstance(item, bool | int) or (isinstance(item, float) and math.isfinite(item))


def _is_unicode(text: str) -> bool:
    """Returns whether the text can be written as UTF-8: lone surrogates can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

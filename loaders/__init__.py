"""Loaders: files to nodes."""

from __future__ import annotations

from .chunking import (
    DEFAULT_CHUNK_OVERLAP,
    DEFAULT_CHUNK_SIZE,
    Chunker,
    CountTokens,
    default_count_tokens,
    to_nodes,
)
from .document import Document, Section
from .failure import failure_of
from .files import Found, Paths, SkippedFile, SourceFile, walk
from .indexed_text import context_line, indexed_text
from .load import document_from_text, load, read, render_page
from .node import Kind, LoadFailure, Metadata, MetadataValue, Node, document_id, freeze_metadata, node_id
from .page_image import PageImage
from .ragatouille import import_ragatouille
from .sentences import split_sentences
from .sniff import Format, sniff
from .worker import ParserPool

__all__ = [
    "DEFAULT_CHUNK_OVERLAP",
    "DEFAULT_CHUNK_SIZE",
    "Chunker",
    "CountTokens",
    "Document",
    "Format",
    "Found",
    "Kind",
    "LoadFailure",
    "Metadata",
    "MetadataValue",
    "Node",
    "PageImage",
    "ParserPool",
    "Paths",
    "Section",
    "SkippedFile",
    "SourceFile",
    "context_line",
    "default_count_tokens",
    "document_from_text",
    "document_id",
    "failure_of",
    "freeze_metadata",
    "import_ragatouille",
    "indexed_text",
    "load",
    "node_id",
    "read",
    "render_page",
    "sniff",
    "split_sentences",
    "to_nodes",
    "walk",
]

"""How many bytes an index takes, worked out from its parts without making it."""

from __future__ import annotations

from collections.abc import Sequence

from ...loaders.node import Node
from ...retrievers.store.formats import FORMATS, VectorFormat, packed_dtype, packed_shape
from ...retrievers.store.records import dump_json

__all__ = [
    "INDEX_BASE_BYTES",
    "POSTING_BYTES",
    "VECTOR_ENTRY_BYTES",
    "document_bytes",
    "node_bytes",
    "term_bytes",
    "vector_bytes",
]

# Measured with SQLite's dbstat on catalogs of 1,000 to 15,937 nodes (text, Markdown and PDF files), November 2026.
INDEX_BASE_BYTES = 82_000  # a dozen tables and indexes of one page of 4,096 bytes each, and the log's shared memory
NODE_ROW_BYTES = 93  # of a row beside its text and metadata: ids, offsets, hash, header
NODE_KEY_BYTES = 162  # of a node in the table's four indexes
DOCUMENT_ROW_BYTES = 185  # of a document beside its metadata and its source, which stands in an index too
VECTOR_ENTRY_BYTES = 66  # of one text's vectors in the catalog: hash, segment, row, count
PAGE_BYTES = 4_096
PAGE_ROOM = 4_084  # what rows have of a page
# Measured on bm25s 0.3's files of the same indexes: a float32 and an int32 for each term of each chunk; each term's
# entry in the vocabulary, which is JSON, and its column's end.
POSTING_BYTES = 8
TERM_ENTRY_BYTES = 17


def node_bytes(node: Node) -> float:
    """Returns what a node takes in the catalog: its share of a page of rows of its length, and its keys.

    A long row leaves room on its page that no other of its length fits in: two chunks of the default size fill one.
    """
    row = len(node.text.encode("utf-8", "surrogatepass")) + len(dump_json(dict(node.metadata))) + NODE_ROW_BYTES
    on_a_page = PAGE_ROOM // row
    return (PAGE_BYTES / on_a_page if on_a_page else -(-row // PAGE_ROOM) * PAGE_BYTES) + NODE_KEY_BYTES


def document_bytes(source: str, metadata: str) -> int:
    """Returns what a document takes in the catalog beside its nodes.

    Args:
        source: Its path.
        metadata: As JSON.
    """
    return 2 * len(source.encode("utf-8", "surrogatepass")) + len(metadata) + DOCUMENT_ROW_BYTES


def term_bytes(terms: Sequence[str]) -> int:
    """Returns what distinct terms take in BM25's vocabulary."""
    return sum(len(term.encode()) + TERM_ENTRY_BYTES for term in terms)


def vector_bytes(vectors: float, dim: int) -> dict[VectorFormat, float]:
    """Returns what vectors take in each format that can hold them.

    Args:
        vectors: How many.
        dim: Length of one.
    """
    rows = max(1, round(vectors))
    found: dict[VectorFormat, float] = {}
    for form in FORMATS:
        if form == "binary" and dim % 8:
            continue
        height, width = packed_shape(rows, dim, form)
        found[form] = height * width * packed_dtype(form).itemsize / rows * vectors
    return found

"""The index directory: a catalog that commits, vector segments that never change, and derived indexes beside them."""

from .index import Index
from .records import IndexConfig, NewVectors, RetrieverConfig, StoredDocument, hash_text
from .snapshot import SegmentRows, Snapshot
from .writer import Writer

__all__ = [
    "Index",
    "IndexConfig",
    "NewVectors",
    "RetrieverConfig",
    "SegmentRows",
    "Snapshot",
    "StoredDocument",
    "Writer",
    "hash_text",
]

"""RAGatouille's PLAID as a derived index of token vectors: built from the segments, checked before use, rescored."""

from .index import PlaidIndex

__all__ = ["PlaidIndex"]

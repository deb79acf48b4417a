"""Query and hits to better hits."""

from .reranker import Reranker

__all__ = ["Reranker"]

"""The contract of this floor: what reorders hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ..retrievers.hit import Hit

__all__ = ["Reranker"]


@runtime_checkable
class Reranker(Protocol):
    """One verb: a query and its hits in, better-ordered hits out."""

    def rerank(self, query: str, hits: Sequence[Hit], top_k: int) -> list[Hit]:
        """Returns at most top_k of the hits, best first, with new scores and one more step in each trail."""
        ...

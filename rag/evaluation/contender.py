"""What is compared: one retriever or the fusion of several, and perhaps a reranker behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from ...retrievers.hybrid import FUSIONS

__all__ = ["Contender", "contenders"]


@dataclass(frozen=True, slots=True)
class Contender:
    """One retriever, or the fusion of several, and perhaps a reranker behind.

    Args:
        retrievers: Their names.
        fusion: How they are fused, None for one alone.
        reranker: What reorders their first hits, with how many it reads, such as "cross-encoder@50"; None for nothing.
    """

    retrievers: tuple[str, ...]
    fusion: str | None = None
    reranker: str | None = None

    @property
    def name(self) -> str:
        """Such as "bm25", "bm25+bi-encoder, rrf" or "bm25, cross-encoder@50"."""
        return ", ".join(part for part in ("+".join(self.retrievers), self.fusion, self.reranker) if part)


def contenders(names: Sequence[str], *, reranker: str | None = None) -> list[Contender]:
    """Returns each retriever alone, then every two or more of them under every fusion; then all of them reranked.

    Args:
        names: The retrievers, in the order of their fusion.
        reranker: What a reranker is called; None where there is none.
    """
    alone = [Contender((name,)) for name in names]
    several = [group for size in range(2, len(names) + 1) for group in combinations(names, size)]
    plain = alone + [Contender(group, fusion) for group in several for fusion in FUSIONS]
    return plain if reranker is None else plain + [replace(one, reranker=reranker) for one in plain]

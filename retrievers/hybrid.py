"""The hybrid retriever: several retrievers asked the same, their rankings fused."""

from __future__ import annotations

from collections.abc import Sequence

from ..arguments import check_positive
from ..errors import InvalidArgumentError
from .fusion import DEFAULT_RRF_K, check_fusion, reciprocal_rank_fusion
from .hit import Hit, check_top_k
from .retriever import Retriever, Where

__all__ = ["DEFAULT_DEPTH", "HybridRetriever"]

DEFAULT_DEPTH = 100  # a node below rank 100 of every list adds under 1/160 and seldom reaches a top ten


class HybridRetriever:
    """Reciprocal rank fusion of other retrievers, which may be hybrids themselves.

    Scores are sums of weight / (rrf_k + rank), in (0, sum(weights) / (rrf_k + 1)]. Each retriever is asked in turn for
    max(top_k, depth) candidates with the same filter. A query without content has the hits that they give it: none.

    Args:
        retrievers: At least one.
        weights: One positive number a retriever; 1 each by default.
        rrf_k: The constant of the formula, at least 1; see `reciprocal_rank_fusion`.
        depth: The least number of candidates that each retriever is asked for.

    Raises:
        InvalidArgumentError: There is no retriever, or an argument is out of bounds.
    """

    def __init__(
        self,
        retrievers: Sequence[Retriever],
        *,
        weights: Sequence[float] | None = None,
        rrf_k: int = DEFAULT_RRF_K,
        depth: int = DEFAULT_DEPTH,
    ) -> None:
        if not retrievers:
            raise InvalidArgumentError("a hybrid needs at least one retriever, got none")
        self.retrievers = list(retrievers)
        self.weights = check_fusion(len(self.retrievers), weights, rrf_k)
        self.rrf_k = rrf_k
        self.depth = check_positive("depth", depth)

    def retrieve(self, query: str, top_k: int, where: Where | None = None) -> list[Hit]:
        """Returns the fused hits, best first.

        Args:
            query: The question.
            top_k: How many hits at most.
            where: A filter, handed to every retriever; see `lateral.retrievers.filters`.

        Raises:
            InvalidArgumentError: top_k is below 1, or the filter is wrong. A retriever's own errors pass through.
        """
        candidates = max(check_top_k(top_k), self.depth)
        rankings = [retriever.retrieve(query, candidates, where) for retriever in self.retrievers]
        return reciprocal_rank_fusion(rankings, weights=self.weights, rrf_k=self.rrf_k, top_k=top_k)

"""The hybrid retriever: several retrievers asked the same, their rankings fused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from ..arguments import check_positive
from ..errors import InvalidArgumentError
from .fusion import BY_RANK, BY_SCORE, DEFAULT_RRF_K, check_weights, convex_combination, reciprocal_rank_fusion
from .hit import Hit, check_top_k
from .retriever import Retriever, Where
from .score_scale import UNKNOWN_SCALE, Scaled, ScoreScale

__all__ = ["DEFAULT_DEPTH", "DEFAULT_FUSION", "FUSIONS", "Fusion", "HybridRetriever", "check_fusion"]

DEFAULT_DEPTH = 100  # a node below rank 100 of every list seldom reaches a top ten, however they are fused
FUSIONS = (BY_SCORE, BY_RANK)
DEFAULT_FUSION = BY_SCORE  # the measurements stand at `lateral.retrievers.fusion.OPEN_WEIGHT`

Fusion: TypeAlias = Callable[[Sequence[Sequence[Hit]]], list[Hit]]


class HybridRetriever:
    """Several retrievers asked the same, their rankings fused; they may be hybrids themselves.

    Each retriever is asked in turn for max(top_k, depth) candidates with the same filter, so a top_k up to the depth
    only cuts the list, and one above it may change its order. A query without content has the hits that they give it:
    none.

    Fused by "convex" scores are in [0, 1]: see `convex_combination`; what a retriever's scores mean is its property
    `score_scale`, unknown for one without. Fused by "rrf" they are sums of weight / (rrf_k + rank), in (0, sum(weights)
    / (rrf_k + 1)]: see `reciprocal_rank_fusion`.

    Args:
        retrievers: At least one.
        fusion: "convex", "rrf", or a function of your own: rankings in, one ranking out, best first, ties by node id.
        weights: One positive number a retriever; 1 each by default. None for a function of your own.
        rrf_k: The constant of "rrf", at least 1.
        depth: The least number of candidates that each retriever is asked for.

    Raises:
        InvalidArgumentError: There is no retriever or no such fusion, or an argument is out of bounds.
    """

    def __init__(
        self,
        retrievers: Sequence[Retriever],
        *,
        fusion: str | Fusion = DEFAULT_FUSION,
        weights: Sequence[float] | None = None,
        rrf_k: int = DEFAULT_RRF_K,
        depth: int = DEFAULT_DEPTH,
    ) -> None:
        if not retrievers:
            raise InvalidArgumentError("a hybrid needs at least one retriever, got none")
        self.retrievers = list(retrievers)
        self.fusion = check_fusion(fusion)
        if weights is not None and callable(fusion):
            raise InvalidArgumentError(f"weights are for {' and '.join(FUSIONS)}: a fusion of your own has its own")
        self.weights = check_weights(len(self.retrievers), weights)
        self.rrf_k = check_positive("rrf_k", rrf_k)
        self.depth = check_positive("depth", depth)

    @property
    def score_scale(self) -> ScoreScale:
        """From 0 to 1 where it fuses by "convex", else unknown."""
        return ScoreScale(0.0, 1.0) if self.fusion == BY_SCORE else UNKNOWN_SCALE

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
        return self.fuse(rankings, depth=candidates, top_k=top_k)

    def fuse(
        self, rankings: Sequence[Sequence[Hit]], *, depth: int | None = None, top_k: int | None = None
    ) -> list[Hit]:
        """Returns the rankings of its retrievers as one.

        Args:
            rankings: One a retriever, in their order, best first.
            depth: How many hits each was asked for; None: as many as the longest has.
            top_k: How many hits to keep, None for all.
        """
        if callable(self.fusion):
            return self.fusion(rankings)[:top_k]
        if self.fusion == BY_RANK:
            return reciprocal_rank_fusion(rankings, weights=self.weights, rrf_k=self.rrf_k, top_k=top_k)
        scales = [  # of an empty ranking it plays no part, and asking may load a model
            retriever.score_scale if ranking and isinstance(retriever, Scaled) else UNKNOWN_SCALE
            for retriever, ranking in zip(self.retrievers, rankings, strict=True)
        ]
        return convex_combination(rankings, scales=scales, weights=self.weights, depth=depth, top_k=top_k)


def check_fusion(fusion: str | Fusion) -> str | Fusion:
    """Returns the fusion unchanged.

    Raises:
        InvalidArgumentError: It is neither a name among `FUSIONS` nor a function.
    """
    if not callable(fusion) and fusion not in FUSIONS:
        raise InvalidArgumentError(f"fusion must be one of {', '.join(FUSIONS)}, or a function, got {fusion!r:.80}")
    return fusion

"""Reciprocal rank fusion: several rankings into one, by ranks alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..arguments import check_positive
from ..errors import InvalidArgumentError
from .hit import Hit, TrailStep, check_top_k, ranked

__all__ = ["DEFAULT_RRF_K", "check_fusion", "reciprocal_rank_fusion"]

DEFAULT_RRF_K = 60  # the paper's, chosen there on pilot runs and near the best on all its collections
STAGE = "rrf"


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[Hit]],
    *,
    weights: Sequence[float] | None = None,
    rrf_k: int = DEFAULT_RRF_K,
    top_k: int | None = None,
) -> list[Hit]:
    """Returns the nodes of all rankings in one, each scored by the sum of weight / (rrf_k + rank).

    A node's rank is its 1-based position in a ranking; the scores there play no part, so rankings of different scales
    can be fused. Nodes are told apart by id: two of equal text stay two. Scores are in (0, sum(weights) / (rrf_k + 1)].
    Each hit's trail holds the trails of every ranking that found it, in the order of the rankings, and then this stage.

    Args:
        rankings: Lists of hits, best first. Empty ones count for nothing; no rankings give no hits.
        weights: One positive number a ranking; 1 each by default.
        rrf_k: How much the first ranks are levelled, at least 1.
        top_k: How many hits to keep, None for all.

    Raises:
        InvalidArgumentError: top_k or rrf_k is below 1, the weights are not one positive number a ranking, or a
            ranking holds a node twice.

    Source:
        Cormack, Clarke & Büttcher 2009, Reciprocal rank fusion outperforms Condorcet and individual rank learning
        methods, section 2. The weights are an addition.
    """
    if top_k is not None:
        check_top_k(top_k)
    used_weights = check_fusion(len(rankings), weights, rrf_k)
    shares: dict[str, list[float]] = {}
    found: dict[str, list[Hit]] = {}
    for number, (ranking, weight) in enumerate(zip(rankings, used_weights, strict=True), start=1):
        if len({hit.node.id for hit in ranking}) != len(ranking):
            raise InvalidArgumentError(f"ranking {number} of {len(rankings)} holds a node twice")
        for rank, hit in enumerate(ranking, start=1):
            shares.setdefault(hit.node.id, []).append(weight / (rrf_k + rank))
            found.setdefault(hit.node.id, []).append(hit)
    return ranked(STAGE, [_fused(hits, shares[key]) for key, hits in found.items()], top_k=top_k)


def check_fusion(count: int, weights: Sequence[float] | None, rrf_k: int) -> list[float]:
    """Returns one weight a ranking.

    Args:
        count: How many rankings are fused.
        weights: Their weights, None for 1 each.
        rrf_k: The constant of the formula.

    Raises:
        InvalidArgumentError: rrf_k is below 1, or the weights are not one positive, finite number a ranking.
    """
    check_positive("rrf_k", rrf_k)
    if weights is None:
        return [1.0] * count
    if len(weights) != count:
        raise InvalidArgumentError(f"weights must be one a ranking: expected {count}, got {len(weights)}")
    for weight in weights:
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise InvalidArgumentError(f"a weight must be a positive, finite number, got {weight!r}")
    return [float(weight) for weight in weights]


def _fused(hits: Sequence[Hit], shares: Sequence[float]) -> Hit:
    """Returns the node with its summed score; fsum, so that the order of the rankings can't make or break a tie."""
    trail: tuple[TrailStep, ...] = tuple(step for hit in hits for step in hit.trail)
    return Hit(hits[0].node, math.fsum(shares), trail)

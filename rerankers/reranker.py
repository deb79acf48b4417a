"""The contract of this floor: what reorders hits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ..errors import InvalidArgumentError
from ..retrievers.hit import Hit, TrailStep, check_top_k

__all__ = ["DEFAULT_CANDIDATES", "Reranker", "candidates_of", "reranked"]

DEFAULT_CANDIDATES = 50  # recall past it grows little, the cost grows linearly


@runtime_checkable
class Reranker(Protocol):
    """One verb: a query and its hits in, better-ordered hits out.

    One that has an attribute `candidates` says with it how many hits it wants to be given; see `candidates_of`.
    """

    def rerank(self, query: str, hits: Sequence[Hit], top_k: int) -> list[Hit]:
        """Returns at most top_k of the hits, best first, with new scores and one more step in each trail."""
        ...


def candidates_of(reranker: Reranker) -> int:
    """Returns how many hits a pipeline gives a reranker to choose from: its `candidates`, or else 50."""
    return int(getattr(reranker, "candidates", DEFAULT_CANDIDATES))


def reranked(stage: str, hits: Sequence[Hit], scores: Sequence[float], *, top_k: int) -> list[Hit]:
    """Returns the hits by new scores, each with one more step in its trail.

    The one place where a reranker's ranks are made: score descending, ranks from 1. Unlike a retriever's, equal scores
    keep the order in which the hits came: it says more than a node's id.

    Args:
        stage: The reranker's name.
        hits: In the order of the stage before; not changed.
        scores: One a hit, higher is better.
        top_k: How many to keep.

    Raises:
        InvalidArgumentError: top_k is below 1, a score is NaN, a node stands among the hits twice, or there are not as
            many scores as hits.
    """
    check_top_k(top_k)
    if len(scores) != len(hits):
        raise InvalidArgumentError(f"the stage {stage!r} gave {len(scores)} scores for {len(hits)} hits")
    if any(math.isnan(score) for score in scores):
        raise InvalidArgumentError(f"the stage {stage!r} gave a NaN score")
    if len({hit.node.id for hit in hits}) != len(hits):
        raise InvalidArgumentError(f"the stage {stage!r} was given one node twice")
    ordered = sorted(zip(hits, scores, strict=True), key=lambda pair: -pair[1])[:top_k]
    return [
        Hit(hit.node, score, (*hit.trail, TrailStep(stage, rank, score)))
        for rank, (hit, score) in enumerate(ordered, start=1)
    ]

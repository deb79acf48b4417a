"""A hit: a node, its score and the way it came through the stages."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..arguments import check_positive
from ..errors import InvalidArgumentError
from ..loaders.node import Node

__all__ = ["Hit", "TrailStep", "check_top_k", "first_ranked", "ranked"]


class TrailStep(NamedTuple):
    """One stage that a hit passed: the stage's name, the 1-based rank and the score it had there."""

    stage: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved node.

    Args:
        node: The node itself.
        score: Higher is better; the scale is that of the last stage of the trail.
        trail: Every stage that ranked this node, in order: the last one made `score`.
    """

    node: Node
    score: float
    trail: tuple[TrailStep, ...] = ()


def check_top_k(top_k: int) -> int:
    """Returns top_k unchanged.

    Raises:
        InvalidArgumentError: It is no whole number of at least 1.
    """
    return check_positive("top_k", top_k)


def first_ranked(stage: str, nodes: Iterable[Node], scores: Iterable[float]) -> list[Hit]:
    """Returns nodes as hits of the first stage of a trail.

    Args:
        stage: The name of the stage that gave the scores.
        nodes: Different nodes in the canonical order; see `ranked`.
        scores: Each one's score, none of them NaN.
    """
    return [
        Hit(node, score, (TrailStep(stage, rank, score),))
        for rank, (node, score) in enumerate(zip(nodes, scores, strict=True), start=1)
    ]


def ranked(stage: str, hits: Iterable[Hit], *, top_k: int | None = None) -> list[Hit]:
    """Returns hits in the canonical order, each with this stage added to its trail.

    That is: score descending, ties by node id ascending, ranks from 1.

    Args:
        stage: The name of the stage that gave the scores.
        hits: Hits with this stage's scores; their trails hold the stages before it.
        top_k: How many to keep, None for all.

    Raises:
        InvalidArgumentError: A score is NaN, or a node stands in the list twice.
    """
    ordered = sorted(hits, key=lambda hit: (-hit.score, hit.node.id))
    if any(math.isnan(hit.score) for hit in ordered):
        raise InvalidArgumentError(f"the stage {stage!r} gave a NaN score")
    if len({hit.node.id for hit in ordered}) != len(ordered):
        raise InvalidArgumentError(f"the stage {stage!r} ranked one node twice")
    return [
        Hit(hit.node, hit.score, (*hit.trail, TrailStep(stage, rank, hit.score)))
        for rank, hit in enumerate(ordered[:top_k], start=1)
    ]

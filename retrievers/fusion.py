"""Several rankings into one: by their scores, or by their ranks alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..arguments import check_positive
from ..errors import InvalidArgumentError
from .hit import Hit, TrailStep, check_top_k, ranked
from .score_scale import UNKNOWN_SCALE, ScoreScale

__all__ = ["DEFAULT_RRF_K", "check_weights", "convex_combination", "reciprocal_rank_fusion"]

DEFAULT_RRF_K = 60  # the paper's, chosen there on pilot runs and near the best on all its collections
BY_RANK = "rrf"
BY_SCORE = "convex"

# What a ranking without a ceiling weighs beside one with: its best hit has 1 however poor a match it is, a similarity
# has 1 for equal texts alone. nDCG@10 of all-MiniLM-L6-v2 and BM25, 100 chunks of 254 tokens each, a document by its
# best chunk; "rrf" is reciprocal rank fusion:
# weight      1      2/3    3/7    1/3    1/4    3/17   1/9    | rrf
# Cranfield   0.4060 0.4113 0.4167 0.4187 0.4177 0.4130 0.4041 | 0.4201
# XQuAD-en    0.9775 0.9769 0.9793 0.9791 0.9789 0.9771 0.9706 | 0.9686
# Chosen on Cranfield, where it differs from rrf by -0.0014 (95% interval of the paired bootstrap -0.0107 to 0.0079;
# recall@100 0.772 and 0.770); checked on XQuAD-en: +0.0105 (0.0061 to 0.0150). Chosen on XQuAD-en it is 3/7, and
# checked on Cranfield -0.0034 (-0.0131 to 0.0064). In chunks of 220 tokens, where nothing was chosen, Cranfield has
# 0.414, rrf 0.410. Of the 122 questions for an identifier in tests/identifier_cases.py all have their page first (rrf:
# 116), of the 24 in other words than the answer's all have it among three (rrf: 8).
OPEN_WEIGHT = 1 / 3


def convex_combination(
    rankings: Sequence[Sequence[Hit]],
    *,
    scales: Sequence[ScoreScale] | None = None,
    weights: Sequence[float] | None = None,
    depth: int | None = None,
    top_k: int | None = None,
) -> list[Hit]:
    """Returns the nodes of all rankings in one, each scored by the weighted mean of its normalised scores.

    A score becomes (score - floor) / (ceiling - floor), in [0, 1]. Where a scale has no floor it is the ranking's
    lowest score, where it has no ceiling the ranking's best, and such a ranking weighs `OPEN_WEIGHT` of one with a
    ceiling. So a score that stands far above the rest of its ranking keeps its distance, which ranks forget. A ranking
    without spread, such as one of a single hit, has 1 for each hit unless its floor says otherwise.

    A node that a ranking does not hold has there the place of the ranking's lowest score where it was cut at the depth:
    more is not known of it than that it is no better. Where the ranking ended by itself, as a lexical one does with the
    query's words, the node has 0.

    Fused scores are in [0, 1]. The order of the rankings, and of the hits in one, plays no part. Trails are joined as
    by `reciprocal_rank_fusion`.

    Args:
        rankings: Lists of hits with finite scores.
        scales: What the scores of each ranking mean; unknown by default.
        weights: One positive number a ranking; 1 each by default.
        depth: How many hits each ranking was asked for; None: as many as the longest has.
        top_k: How many hits to keep, None for all.

    Raises:
        InvalidArgumentError: top_k or depth is below 1, the scales or weights are not one a ranking, a score is not
            finite, or a ranking holds a node twice.

    Source:
        Bruch, Gai & Ingber 2023, An Analysis of Fusion Functions for Hybrid Retrieval, section 4: a convex combination
        with theoretical minima. It differs in three things: a similarity's floor is the encoder's own background (see
        `lateral.retrievers.scale`) and its ceiling is 1, so that models whose cosines are crowded together fuse alike;
        what the weights are; and what a missing node has.
    """
    if top_k is not None:
        check_top_k(top_k)
    cut_at = max(map(len, rankings), default=1) if depth is None else check_positive("depth", depth)
    if scales is not None and len(scales) != len(rankings):
        raise InvalidArgumentError(f"scales must be one a ranking: expected {len(rankings)}, got {len(scales)}")
    used_scales = [UNKNOWN_SCALE] * len(rankings) if scales is None else scales
    parts = [
        weight * (OPEN_WEIGHT if scale.ceiling is None else 1.0)
        for weight, scale in zip(check_weights(len(rankings), weights), used_scales, strict=True)
    ]
    found = _by_node(rankings)
    columns = []
    for ranking, scale, part in zip(rankings, used_scales, parts, strict=True):
        normalised = scale.normalised({hit.node.id: hit.score for hit in ranking})
        missing = min(normalised.values(), default=0.0) if len(ranking) >= cut_at else 0.0
        columns.append((part, normalised, missing))
    whole = math.fsum(parts)
    scores = {
        key: min(1.0, math.fsum([part * shares.get(key, missing) for part, shares, missing in columns]) / whole)
        for key in found
    }
    return _best(BY_SCORE, found, scores, top_k)


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
    check_positive("rrf_k", rrf_k)
    found = _by_node(rankings)
    shares: dict[str, list[float]] = {key: [] for key in found}
    for ranking, weight in zip(rankings, check_weights(len(rankings), weights), strict=True):
        for rank, hit in enumerate(ranking, start=1):
            shares[hit.node.id].append(weight / (rrf_k + rank))
    return _best(BY_RANK, found, {key: math.fsum(share) for key, share in shares.items()}, top_k)


def check_weights(count: int, weights: Sequence[float] | None) -> list[float]:
    """Returns one weight a ranking.

    Args:
        count: How many rankings are fused.
        weights: Their weights, None for 1 each.

    Raises:
        InvalidArgumentError: The weights are not one positive, finite number a ranking.
    """
    if weights is None:
        return [1.0] * count
    if len(weights) != count:
        raise InvalidArgumentError(f"weights must be one a ranking: expected {count}, got {len(weights)}")
    for weight in weights:
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise InvalidArgumentError(f"a weight must be a positive, finite number, got {weight!r}")
    return [float(weight) for weight in weights]


def _by_node(rankings: Sequence[Sequence[Hit]]) -> dict[str, list[Hit]]:
    """Returns the hits of each node by its id, in the order of the rankings."""
    found: dict[str, list[Hit]] = {}
    for number, ranking in enumerate(rankings, start=1):
        if len({hit.node.id for hit in ranking}) != len(ranking):
            raise InvalidArgumentError(f"ranking {number} of {len(rankings)} holds a node twice")
        for hit in ranking:
            found.setdefault(hit.node.id, []).append(hit)
    return found


def _best(stage: str, found: Mapping[str, Sequence[Hit]], scores: Mapping[str, float], top_k: int | None) -> list[Hit]:
    """Returns the nodes with the best scores, ranked. They are sums by fsum: no order of rankings breaks a tie."""
    kept = sorted(found, key=lambda key: (-scores[key], key))[:top_k]  # trails of the others are not worth joining
    return ranked(stage, [Hit(found[key][0].node, scores[key], _joined(found[key])) for key in kept])


def _joined(hits: Sequence[Hit]) -> tuple[TrailStep, ...]:
    return tuple(step for hit in hits for step in hit.trail)

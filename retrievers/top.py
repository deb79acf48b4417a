"""The best of a score array, in the one order that every ranked list has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgumentError

__all__ = ["check_scores", "kth_best", "top_positions"]

GROUP = 256  # scores of which the best alone counts in `kth_best`: one pass at the speed of memory
GROUPS_A_HIT = 4  # so few hits share a group that the bound is near
FEW = 4_096  # scores: to part all of them takes no longer than to make groups


def check_scores(scores: NDArray[np.float32]) -> None:
    """Raises when a score is not a finite number.

    Raises:
        InvalidArgumentError: A score is NaN.
    """
    if not np.isfinite(scores).all():
        raise InvalidArgumentError(
            "a score is NaN or infinite: the encoder gave a query vector that is not finite, or a stored vector is "
            "damaged: `lateral verify` tells"
        )


def kth_best(scores: NDArray[np.float32], top_k: int) -> float:
    """Returns a score that at least top_k scores reach, near their top_k-th best; -inf where there are fewer.

    Args:
        scores: float32, one-dimensional; -inf for what does not count.
        top_k: At least 1.

    Raises:
        InvalidArgumentError: A score is NaN or positive infinity.
    """
    best = _group_bests(scores, top_k)
    last = np.partition(best, -top_k)[-top_k:] if len(best) >= top_k else best
    if not np.isfinite(last).all():  # NaN and infinity are sorted behind all others
        check_scores(last[last != -np.inf])
    return float(last[0]) if len(best) >= top_k else -np.inf


def _group_bests(scores: NDArray[np.float32], top_k: int) -> NDArray[np.float32]:
    group = min(GROUP, len(scores) // (GROUPS_A_HIT * top_k))
    if group < 2 or len(scores) <= FEW:
        return scores
    even = len(scores) // group * group
    best = scores[:even].reshape(-1, group).max(axis=1)
    return best if even == len(scores) else np.append(best, scores[even:].max())


def top_positions(
    scores: NDArray[np.float32], top_k: int, allowed: NDArray[np.bool_] | None = None, *, above: float | None = None
) -> NDArray[np.int64]:
    """Returns the positions of the best scores: score descending, ties by position ascending.

    Positions follow the chunks' ids in ascending order, so a tie by position is a tie by node id.

    Args:
        scores: float32, shape (chunks,).
        top_k: How many at most.
        allowed: bool, shape (chunks,): which positions may be returned. None for all.
        above: Only scores above this one.

    Raises:
        InvalidArgumentError: A score is NaN.
    """
    check_scores(scores)
    keep = np.ones(len(scores), np.bool_) if allowed is None else allowed
    if above is not None:
        keep = keep & (scores > above)
    positions = np.flatnonzero(keep)
    candidates = scores[positions]
    if len(candidates) > top_k:
        threshold = np.partition(candidates, -top_k)[-top_k]
        # Every tie at the threshold stays in until the sort below has ordered it.
        chosen = candidates >= threshold
        positions, candidates = positions[chosen], candidates[chosen]
    order = np.argsort(-candidates, kind="stable")[:top_k]
    result: NDArray[np.int64] = positions[order]
    return result

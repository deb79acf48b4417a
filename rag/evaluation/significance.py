"""Whether a difference between two configurations is more than chance: a paired randomization test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgumentError

__all__ = ["ALPHA", "holm", "paired_p", "paired_ps", "randomization_test"]

ALPHA = 0.05  # the level that the field reports
PERMUTATIONS = 10_000  # at p = 0.05 the estimate's standard error is 0.002
EXACT_QUERIES = 13  # 2^13 = 8,192: up to here all sign patterns are fewer than the sample would be
SEED = 0
BLOCK_DIFFERENCES = 200  # whose signs are held at once: 16 MB as float64
TOLERANCE = 1e-9  # sums of the same numbers in another order differ by rounding, and are still equal


def randomization_test(first: Sequence[float], second: Sequence[float], *, seed: int = SEED) -> float:
    """Returns the two-sided p of a paired randomization test on the mean difference, in (0, 1].

    If the two configurations were one, each query's two values could as well be exchanged: p is the share of such
    exchanges with a mean difference at least as large as the one seen. Queries without a difference change nothing and
    are left out. With at most 13 others every exchange is tried; with more 10,000 random ones are, and p is
    (hits + 1) / (10,000 + 1), so that it is never 0.

    Args:
        first: One value a query.
        second: The other configuration's values, in the same order.
        seed: Of the random exchanges.

    Raises:
        InvalidArgumentError: The two are not equally many, or a value is not finite.

    Source:
        Smucker, Allan & Carterette 2007, A Comparison of Statistical Significance Tests for Information Retrieval
        Evaluation, section 2.1. The 1 that is added: Phipson & Smyth 2010, Permutation p-values should never be zero.
    """
    return _tested([_differences(first, second)], seed)[0]


def paired_p(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Returns p of `randomization_test` for values by query.

    Raises:
        InvalidArgumentError: The queries are not the same.
    """
    return paired_ps([first], second)[0]


def paired_ps(several: Sequence[Mapping[str, float]], other: Mapping[str, float]) -> list[float]:
    """Returns `paired_p` of each with the other, in little more time than one takes: all share their random exchanges.

    Raises:
        InvalidArgumentError: The queries are not the same.
    """
    if any(one.keys() != other.keys() for one in several):
        raise InvalidArgumentError("values must be of the same queries")
    values = list(other.values())
    return _tested([_differences([one[query] for query in other], values) for one in several], SEED)


def holm(values: Sequence[float]) -> list[float]:
    """Returns the p-values of several tests, corrected so that any false alarm among them has the probability p.

    Args:
        values: One p a test, in any order; the result is in the same one.

    Source:
        Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
    """
    corrected = [0.0] * len(values)
    reached = 0.0
    for done, at in enumerate(sorted(range(len(values)), key=lambda at: values[at])):
        reached = max(reached, min(1.0, (len(values) - done) * values[at]))
        corrected[at] = reached
    return corrected


def _differences(first: Sequence[float], second: Sequence[float]) -> NDArray[np.float64]:
    """Returns the differences that are not 0, in the order of the queries."""
    if len(first) != len(second):
        raise InvalidArgumentError(f"values must be paired by query: got {len(first)} and {len(second)}")
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    if not np.isfinite(differences).all():
        raise InvalidArgumentError("values must be finite numbers")
    kept: NDArray[np.float64] = differences[differences != 0]
    return kept


def _tested(several: Sequence[NDArray[np.float64]], seed: int) -> list[float]:
    """Returns p for the differences of each pair of configurations."""
    bars = np.array([abs(float(one.sum())) - TOLERANCE for one in several])
    many = [at for at, one in enumerate(several) if len(one) > EXACT_QUERIES]
    hits = _sampled_hits([several[at] for at in many], bars[many], seed)
    sampled = dict(zip(many, hits, strict=True))
    return [
        (sampled[at] + 1) / (PERMUTATIONS + 1) if at in sampled else float(np.mean(_all_sums(one) >= bars[at]))
        for at, one in enumerate(several)
    ]


def _all_sums(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the absolute sum under every pattern of signs, shape (2 ** len(differences),)."""
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate([sums + difference, sums - difference])
    absolute: NDArray[np.float64] = np.abs(sums)
    return absolute


def _sampled_hits(several: Sequence[NDArray[np.float64]], bars: NDArray[np.float64], seed: int) -> list[int]:
    """Returns for each how many of the random patterns of signs have an absolute sum of at least its bar.

    The patterns are made difference by difference, so that those of a shorter list are the beginnings of a longer
    one's, and what comes out for a list does not depend on what it is tested beside.
    """
    rng = np.random.default_rng(seed)
    longest = max(map(len, several), default=0)
    padded = np.zeros((len(several), longest))
    for row, one in zip(padded, several, strict=True):
        row[: len(one)] = one
    turned = np.zeros((len(several), PERMUTATIONS))  # the sum of the differences whose sign is turned
    for start in range(0, longest, BLOCK_DIFFERENCES):
        block = padded[:, start : start + BLOCK_DIFFERENCES]
        bits = np.frombuffer(rng.bytes(block.shape[1] * PERMUTATIONS // 8), np.uint8)
        turned += block @ np.unpackbits(bits).reshape(-1, PERMUTATIONS).astype(np.float64)
    sums = np.abs(padded.sum(axis=1, keepdims=True) - 2 * turned)
    return [int(count) for count in np.count_nonzero(sums >= bars[:, None], axis=1)]

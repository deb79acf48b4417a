"""Whether a difference between two configurations is more than chance: a paired randomization test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgumentError

__all__ = ["ALPHA", "holm", "paired_p", "randomization_test"]

ALPHA = 0.05  # the level that the field reports
PERMUTATIONS = 10_000  # at p = 0.05 the estimate's standard error is 0.002
EXACT_QUERIES = 13  # 2^13 = 8,192: up to here all sign patterns are fewer than the sample would be
SEED = 0
BLOCK_CELLS = 2_000_000  # signs held at once: 16 MB as float64
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
    if len(first) != len(second):
        raise InvalidArgumentError(f"values must be paired by query: got {len(first)} and {len(second)}")
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    if not np.isfinite(differences).all():
        raise InvalidArgumentError("values must be finite numbers")
    differences = differences[differences != 0]
    bar = abs(float(differences.sum())) - TOLERANCE
    if len(differences) <= EXACT_QUERIES:
        return float(np.mean(_all_sums(differences) >= bar))
    return (_sampled_hits(differences, bar, seed) + 1) / (PERMUTATIONS + 1)


def paired_p(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Returns p of `randomization_test` for values by query.

    Raises:
        InvalidArgumentError: The queries are not the same.
    """
    if first.keys() != second.keys():
        raise InvalidArgumentError("values must be of the same queries")
    return randomization_test([first[query] for query in first], [second[query] for query in first])


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


def _all_sums(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the absolute sum under every pattern of signs, shape (2 ** len(differences),)."""
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate([sums + difference, sums - difference])
    absolute: NDArray[np.float64] = np.abs(sums)
    return absolute


def _sampled_hits(differences: NDArray[np.float64], bar: float, seed: int) -> int:
    """Returns how many of the random patterns of signs have an absolute sum of at least `bar`."""
    rng = np.random.default_rng(seed)
    block = max(1, min(PERMUTATIONS, BLOCK_CELLS // len(differences)))
    hits = 0
    for start in range(0, PERMUTATIONS, block):
        shape = (min(block, PERMUTATIONS - start), len(differences))
        signs = 1.0 - 2.0 * rng.integers(0, 2, shape, dtype=np.int8)
        hits += int(np.count_nonzero(np.abs(signs @ differences) >= bar))
    return hits

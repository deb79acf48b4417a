"""Which files of a folder to read, to know about all of them; and what a sample says about the whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Generic, TypeVar

from ...arguments import check_positive
from ...loaders.files import SourceFile

__all__ = ["Estimated", "Stratum", "extrapolate", "stratify"]

FILES_A_STRATUM = 3  # read in each stratum, where there are as many: two give a spread, a third steadies it
TWO_ERRORS = 2.0  # standard errors each way: about 95 of 100 ranges hold the truth
LONE_ERROR = 0.5  # the share by which a stratum may be off of which one file alone was read: nothing tells its spread

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Estimated:
    """A number that is estimated.

    Args:
        value: The best guess.
        low: The truth is seldom below.
        high: The truth is seldom above.
    """

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Estimated:
        """Returns it times a number that is not negative."""
        return Estimated(self.value * factor, self.low * factor, self.high * factor)

    def __add__(self, other: Estimated) -> Estimated:
        """Returns the sum; the ranges add, as what makes one number large makes the other large."""
        return Estimated(self.value + other.value, self.low + other.low, self.high + other.high)


@dataclass(slots=True)
class Stratum(Generic[Read]):
    """Files of one format and of about one size.

    Args:
        files: All of them.
        chosen: Those to read.
        read: What was read of the first of them; filled as they are read.
    """

    files: Sequence[SourceFile]
    chosen: Sequence[SourceFile]
    read: list[Read]


def stratify(files: Sequence[SourceFile], sample: int) -> tuple[list[Stratum[Read]], list[tuple[int, SourceFile]]]:
    """Returns strata by format and size with the files to read of each, and these files in the order to read them.

    The order takes the first of every stratum, then the second, so that reading can end early. Every format has a
    stratum; the rest of the strata go where the bytes are.

    Args:
        files: All files.
        sample: How many to read at most, though one of every format.

    Raises:
        InvalidArgumentError: The sample is below 1.
    """
    check_positive("sample", sample)
    ordered = sorted(files, key=lambda file: (file.format, file.size, file.path))
    groups = [list(its) for _, its in groupby(ordered, key=lambda file: file.format)]
    strata: list[Stratum[Read]] = []
    for group, allowed in zip(groups, _allowed(groups, sample), strict=True):
        cuts = max(1, allowed // FILES_A_STRATUM)
        for part in range(cuts):
            members = group[len(group) * part // cuts : len(group) * (part + 1) // cuts]
            taken = min(len(members), allowed * (part + 1) // cuts - allowed * part // cuts)
            strata.append(Stratum(members, _spread(members, taken), []))
    turns = zip_longest(*([(at, file) for file in stratum.chosen] for at, stratum in enumerate(strata)))
    return strata, [entry for turn in turns for entry in turn if entry is not None]


def _allowed(groups: Sequence[Sequence[SourceFile]], sample: int) -> list[int]:
    """Returns how many files to read of each group: at least one, and in all no more than the sample or the groups."""
    sizes = [sum(file.size for file in group) for group in groups]
    total = sum(sizes) or 1
    shares = [sample * size / total for size in sizes]
    allowed = [max(1, min(len(group), round(share))) for group, share in zip(groups, shares, strict=True)]
    for _ in range(sum(allowed) - max(sample, len(groups))):
        most = max((at for at in range(len(groups)) if allowed[at] > 1), key=lambda at: allowed[at] - shares[at])
        allowed[most] -= 1
    return allowed


def extrapolate(strata: Sequence[Stratum[Read]], amount: Callable[[Read], float], *, by_size: bool = True) -> Estimated:
    """Returns the sum of something over all files, from the files read.

    In each stratum the amount is taken to grow with a file's bytes (or to be the same for each file); the range is two
    standard errors each way. What was read alone bounds it from below. Where every file was read it is exact.

    Args:
        strata: With what was read.
        amount: Of what was read of one file.
        by_size: Whether it grows with the file.

    Source:
        Cochran 1977, Sampling Techniques, 3rd edition, equations 6.1 and 6.44 (the separate ratio estimate). A stratum
        of which one file was read gets half of its estimate as its error instead.
    """
    value, variance, seen = 0.0, 0.0, 0.0
    left = _Left(strata)
    for stratum in strata:
        amounts = [amount(it) for it in stratum.read]
        seen += sum(amounts)
        if not amounts:
            value += left.of(stratum, amount, by_size)
            variance += left.of(stratum, amount, by_size) ** 2 / TWO_ERRORS**2
            continue
        sizes = [file.size if by_size else 1.0 for file in stratum.chosen[: len(amounts)]]
        whole = sum(file.size for file in stratum.files) if by_size else float(len(stratum.files))
        ratio = sum(amounts) / sum(sizes)
        value += ratio * whole
        variance += _variance(amounts, sizes, ratio, whole, len(stratum.files))
    spread = TWO_ERRORS * math.sqrt(variance)
    return Estimated(value, min(value, max(seen, value - spread)), value + spread)


class _Left(Generic[Read]):
    """What strata of which nothing was read in time are guessed from: all that was."""

    def __init__(self, strata: Sequence[Stratum[Read]]) -> None:
        self._read: list[tuple[Read, int]] = [
            (one, file.size) for stratum in strata for one, file in zip(stratum.read, stratum.chosen, strict=False)
        ]

    def of(self, stratum: Stratum[Read], amount: Callable[[Read], float], by_size: bool) -> float:
        weight = sum(size if by_size else 1 for _, size in self._read) or 1
        whole = sum(file.size for file in stratum.files) if by_size else len(stratum.files)
        return sum(amount(one) for one, _ in self._read) / weight * whole


def _variance(amounts: Sequence[float], sizes: Sequence[float], ratio: float, whole: float, files: int) -> float:
    taken = len(amounts)
    if taken == files:
        return 0.0
    if taken == 1:
        return (LONE_ERROR * ratio * whole / TWO_ERRORS) ** 2
    squares = sum((one - ratio * size) ** 2 for one, size in zip(amounts, sizes, strict=True)) / (taken - 1)
    return files**2 * (1 - taken / files) / taken * squares


def _spread(members: Sequence[SourceFile], count: int) -> list[SourceFile]:
    """Returns so many of the files, evenly over their sizes: the middle of each part."""
    return [members[(2 * part + 1) * len(members) // (2 * count)] for part in range(count)]

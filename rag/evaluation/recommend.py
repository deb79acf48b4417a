"""Which configuration to take, in words with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Protocol

from .significance import ALPHA, holm, paired_p

__all__ = ["Candidate", "Measured", "Recommendation", "recommend"]

FEW_QUERIES = 50  # with fewer a gain of some points is seldom told from chance: Voorhees & Buckley 2002
SAME = 1.15  # ratios within this are said to be about the same: the clock is no finer


class Measured(Protocol):
    """What `Candidate.of` reads."""

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    @property
    def scores(self) -> Mapping[str, Mapping[str, float]]:
        """For each measure the value of every query."""
        ...

    @property
    def p50_ms(self) -> float:
        """The median time of a query."""
        ...

    @property
    def bytes_per_document(self) -> float:
        """Bytes on disk a document."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration that may be recommended.

    Args:
        name: What to call it.
        values: For each query how good its hits are, in [0, 1].
        p50_ms: The median time of a query; what "cheaper" means.
        bytes_per_document: Bytes on disk a document.
    """

    name: str
    values: Mapping[str, float]
    p50_ms: float
    bytes_per_document: float

    @classmethod
    def of(cls, row: Measured, measure: str) -> Candidate:
        """Returns the candidate of a measured configuration."""
        return cls(row.name, row.scores[measure], row.p50_ms, row.bytes_per_document)

    @property
    def quality(self) -> float:
        """The mean over the queries."""
        return fsum(self.values.values()) / max(len(self.values), 1)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to take.

    Args:
        choice: The configuration's name.
        sentences: Why, one statement each.
    """

    choice: str
    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.sentences)

    def as_dict(self) -> dict[str, object]:
        """Returns the recommendation as JSON values."""
        return {"choice": self.choice, "words": str(self)}


def recommend(candidates: Sequence[Candidate], baseline: str) -> Recommendation:
    """Returns the best configuration by nDCG@10, or the fastest of those that are not significantly worse.

    Args:
        candidates: At least one, all with the same queries.
        baseline: The name of the one that gains are told against.
    """
    best = max(candidates, key=lambda it: (it.quality, -it.p50_ms))
    others = [it for it in candidates if it is not best]
    worse = dict(
        zip([it.name for it in others], holm([paired_p(best.values, it.values) for it in others]), strict=True)
    )
    level = [it for it in candidates if worse.get(it.name, 1.0) >= ALPHA]
    choice = min(level, key=lambda it: (it.p50_ms, it.bytes_per_document))
    base = next(it for it in candidates if it.name == baseline)
    queries = len(best.values)
    sentences = [_lead(choice, best, level, queries, alone=not others)]
    if choice is not best:
        sentences.append(_behind(choice, best, worse[choice.name]))
    if choice is not base:
        sentences.append(_beside(choice, base, _p_beside(choice, base, candidates)))
    if queries < FEW_QUERIES and len(level) > 1:
        sentences.append(f"{queries} queries tell only large differences from chance: judge more before deciding.")
    return Recommendation(choice.name, tuple(sentences))


def _lead(choice: Candidate, best: Candidate, level: Sequence[Candidate], queries: int, *, alone: bool) -> str:
    if alone:
        return f"Only {choice.name} was measured: there is nothing to choose from."
    if not any(it is not best for it in level):
        return f"Take {choice.name}: with nDCG@10 {choice.quality:.3f} it is significantly better than all others."
    if choice is best:
        return (
            f"Take {choice.name}: it has the best nDCG@10, {choice.quality:.3f}, and is the fastest of those near it."
        )
    what = (
        "No difference to the best is shown" if queries < FEW_QUERIES else "It is not shown to be worse than the best"
    )
    return f"Take {choice.name}, nDCG@10 {choice.quality:.3f}. {what} with {queries:,} queries, and it is faster."


def _behind(choice: Candidate, best: Candidate, p: float) -> str:
    points = 100 * (best.quality - choice.quality)
    return f"The best, {best.name}, is {points:.1f} points above it (p = {_p(p)}) {_costs(best, choice)}."


def _beside(choice: Candidate, base: Candidate, p: float) -> str:
    points = 100 * (choice.quality - base.quality)
    verb = "gains" if points >= 0 else "loses"
    to = "over" if points >= 0 else "to"
    shown = "" if p < ALPHA else ", which may be chance,"
    return (
        f"{choice.name} {verb} {abs(points):.1f} points {to} {base.name} (p = {_p(p)}){shown} {_costs(choice, base)}."
    )


def _p_beside(choice: Candidate, base: Candidate, candidates: Sequence[Candidate]) -> float:
    """Returns p of the choice against the baseline, corrected over all tests against the baseline as the table is."""
    others = [it for it in candidates if it is not base]
    return holm([paired_p(it.values, base.values) for it in others])[others.index(choice)]


def _costs(one: Candidate, other: Candidate) -> str:
    """Says what the one takes beside the other."""
    latency = _times(one.p50_ms, other.p50_ms, "latency")
    return f"at {latency} and {_times(one.bytes_per_document, other.bytes_per_document, 'bytes')}"


def _times(one: float, other: float, what: str) -> str:
    if one <= 0 or other <= 0:
        return f"unknown {what}"
    ratio = one / other
    if 1 / SAME < ratio < SAME:
        return f"about the same {what}"
    if ratio <= 0.5:
        return f"1/{1 / ratio:,.0f} of the {what}" if ratio < 0.1 else f"1/{1 / ratio:.2g} of the {what}"
    return f"{ratio:,.0f}x the {what}" if ratio >= 10 else f"{ratio:.2g}x the {what}"


def _p(value: float) -> str:
    return "0.001 or less" if value <= 0.001 else f"{value:.2f}" if value >= 0.01 else f"{value:.3f}"

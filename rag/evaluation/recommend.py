"""Which configuration to take, in words with the reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import Protocol

from .significance import ALPHA

__all__ = ["Candidate", "Measured", "Recommendation", "recommend"]

FEW_QUERIES = 50  # with fewer a gain of some points is seldom told from chance: Voorhees & Buckley 2002
LITTLE_LOSS = 0.02  # of nDCG@10: what a faster one may lose to the best and still be taken
NOTHING_FOUND = (
    "Nothing is recommended: no configuration found anything relevant among its first 10 hits. Do the judgements "
    "belong to these documents?"
)
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

    @property
    def p(self) -> float | None:
        """Of its difference to the baseline."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration that may be recommended.

    Args:
        name: What to call it.
        values: For each query how good its hits are, in [0, 1].
        p50_ms: The median time of a query; what "cheaper" means.
        bytes_per_document: Bytes on disk a document.
        p: Of its difference to the baseline, as the table has it; None for the baseline itself.
    """

    name: str
    values: Mapping[str, float]
    p50_ms: float
    bytes_per_document: float
    p: float | None = None

    @classmethod
    def of(cls, row: Measured, measure: str) -> Candidate:
        """Returns the candidate of a measured configuration."""
        return cls(row.name, row.scores[measure], row.p50_ms, row.bytes_per_document, row.p)

    @property
    def quality(self) -> float:
        """The mean over the queries."""
        return math.fsum(self.values.values()) / max(len(self.values), 1)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to take.

    Args:
        choice: The configuration's name; None where none found anything relevant.
        sentences: Why, one statement each.
    """

    choice: str | None
    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.sentences)

    def as_dict(self) -> dict[str, object]:
        """Returns the recommendation as JSON values."""
        return {"choice": self.choice, "words": str(self)}


def recommend(candidates: Sequence[Candidate], baseline: str) -> Recommendation:
    """Returns the best configuration by nDCG@10, or one that is faster by more than 15% and shown to lose little to it.

    Shown is a loss of at most 2 points: the upper end of a one-sided confidence interval of the mean paired difference,
    at 95% for all configurations together, since the one that is taken is picked from among them. Not to be shown worse
    is not enough, since few queries show nothing; below 50 the best is taken. Of those that are about as fast as the
    fastest one, the best is taken: what the clock says below that is noise. Where nothing relevant was found at all,
    nothing is recommended.

    Args:
        candidates: At least one, all with the same queries.
        baseline: The name of the one that gains are told against, and that the candidates' p are of.

    Source:
        Student 1908, The Probable Error of a Mean: the interval, with the normal distribution's quantile, from which
        the t distribution's differs by 2% to 4% at 50 queries. Bonferroni's correction: Dunn 1961, Multiple
        Comparisons among Means.
    """
    best = max(candidates, key=lambda it: (it.quality, -it.p50_ms))
    base = next(it for it in candidates if it.name == baseline)
    if not best.quality:
        return Recommendation(None, (NOTHING_FOUND,))
    few = len(best.values) < FEW_QUERIES
    most_lost = {it.name: _most_lost(it, best, len(candidates) - 1) for it in candidates if it is not best and not few}
    level = [it for it in candidates if most_lost.get(it.name, math.inf) <= LITTLE_LOSS]
    choice = _fastest([it for it in level if it.p50_ms * SAME < best.p50_ms]) or best
    sentences = [_lead(choice, base, candidates)]
    if choice is not best:
        sentences = [_level(choice, most_lost[choice.name]), _behind(choice, best, base)]
    if choice is not base:
        sentences.append(_beside(choice, base))
    if few and len(candidates) > 1:
        asked = "1 query tells" if len(best.values) == 1 else f"{len(best.values)} queries tell"
        sentences.append(f"{asked} only large differences from chance: judge more before deciding.")
    return Recommendation(choice.name, tuple(sentences))


def _fastest(candidates: Sequence[Candidate]) -> Candidate | None:
    """Returns the best of those that are about as fast as the fastest one, None of none."""
    bar = SAME * min((it.p50_ms for it in candidates), default=0.0)
    return max((it for it in candidates if it.p50_ms <= bar), key=lambda it: it.quality, default=None)


def _most_lost(one: Candidate, best: Candidate, others: int) -> float:
    """Returns how much the one loses to the best at most, as far as its queries show, and as one of so many."""
    losses = [value - one.values[query] for query, value in best.values.items()]
    quantile = NormalDist().inv_cdf(1 - ALPHA / others)
    return fmean(losses) + quantile * stdev(losses) / math.sqrt(len(losses))


def _level(choice: Candidate, most_lost: float) -> str:
    points = math.ceil(1_000 * max(most_lost, 0.0)) / 10  # upward: "at most" must hold for what is shown
    return (
        f"Take {choice.name}, nDCG@10 {choice.quality:.3f}: with 95% confidence it loses at most {points:.1f} points "
        "to the best, and it is faster."
    )


def _lead(choice: Candidate, base: Candidate, candidates: Sequence[Candidate]) -> str:
    others = [it for it in candidates if it is not choice]
    if not others:
        return f"Only {choice.name} was measured: there is nothing to choose from."
    if choice is base and all(it.p is not None and it.p < ALPHA for it in others):
        return f"Take {choice.name}: with nDCG@10 {choice.quality:.3f} it is significantly better than all others."
    return f"Take {choice.name}: it has the best nDCG@10, {choice.quality:.3f}{_rivals(choice, others)}."


def _rivals(choice: Candidate, others: Sequence[Candidate]) -> str:
    """Says whether something faster was passed over, and why."""
    if not any(it.p50_ms * SAME < choice.p50_ms for it in others):
        return ", and nothing is faster" if all(it.p50_ms > choice.p50_ms for it in others) else ""
    if len(choice.values) < FEW_QUERIES:
        return ""
    return f", and nothing faster is shown to stay within {100 * LITTLE_LOSS:.0f} points of it"


def _behind(choice: Candidate, best: Candidate, base: Candidate) -> str:
    points = 100 * (best.quality - choice.quality)
    tested = f" (p = {_p(best.p)})" if choice is base and best.p is not None else ""
    return f"The best, {best.name}, is {points:.1f} points above it{tested} {_costs(best, choice)}."


def _beside(choice: Candidate, base: Candidate) -> str:
    points = round(100 * (choice.quality - base.quality), 1)
    apart = f"gains {points} points over" if points > 0 else f"loses {-points} points to" if points else "is level with"
    tested = "" if choice.p is None else f" (p = {_p(choice.p)})"
    shown = "" if not points or choice.p is None or choice.p < ALPHA else ", which may be chance,"
    return f"{choice.name} {apart} {base.name}{tested}{shown} {_costs(choice, base)}."


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
    """Says p so that it does not look like the level itself where it is beside it: 0.0496 is not 0.05."""
    if value <= 0.001:
        return "0.001 or less"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}" if round(value, 3) == ALPHA else f"{value:.3f}"

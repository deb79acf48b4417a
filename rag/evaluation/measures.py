"""What a ranking is worth: the measures of retrieval, as ir-measures computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum
from typing import Any

from ...extras import require
from .corpus import Qrels
from .qrels import MAX_GRADE

__all__ = ["MEASURES", "as_run", "mean_scores", "require_measures", "score_queries"]

# What we call each measure, and what ir-measures does.
MEASURES = {
    "ndcg@10": "nDCG@10",
    "recall@5": "R@5",
    "recall@10": "R@10",
    "recall@100": "R@100",
    "mrr@10": "RR@10",
    "map": "AP",
}


def as_run(rankings: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Returns for each query the units with scores that keep their order: n for the first of n, 1 for the last.

    trec_eval orders equal scores by name, and single precision makes near ones equal; these are neither.

    Args:
        rankings: For each query its units, best first, each once.
    """
    return {query: {unit: float(len(units) - at) for at, unit in enumerate(units)} for query, units in rankings.items()}


def score_queries(qrels: Qrels, rankings: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Returns for each measure of `MEASURES` the value of every judged query, all in [0, 1]; 0 where nothing was found.

    Ids may be any text: trec_eval, which is C and ends at some of them, is given numbers.

    Args:
        qrels: The judgements. A grade below 0 is taken as 0, one above 10,000 as that.
        rankings: For each query its units, best first, each once.

    Raises:
        MissingExtraError: ir-measures is not installed.
    """
    ir_measures = require_measures()
    parsed = {ir_measures.parse_measure(theirs): ours for ours, theirs in MEASURES.items()}
    scores = {ours: dict.fromkeys(qrels, 0.0) for ours in MEASURES}
    queries = list(qrels)
    run: dict[str, dict[str, float]] = {}
    judged: dict[str, dict[str, int]] = {}
    for at, query in enumerate(queries):
        numbers: dict[str, str] = {}
        grades = qrels[query].items()
        judged[str(at)] = {_number(unit, numbers): min(max(grade, 0), MAX_GRADE) for unit, grade in grades}
        if rankings.get(query):
            run[str(at)] = as_run({query: [_number(unit, numbers) for unit in rankings[query]]})[query]
    for metric in ir_measures.iter_calc(list(parsed), judged, run) if run else ():
        scores[parsed[metric.measure]][queries[int(metric.query_id)]] = float(metric.value)
    return scores


def _number(unit: str, numbers: dict[str, str]) -> str:
    """Returns a unit's number among those of a query, the next one where it is new."""
    return numbers.setdefault(unit, str(len(numbers)))


def mean_scores(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Returns the mean of each measure over its queries, 0 without any."""
    return {name: fsum(values.values()) / max(len(values), 1) for name, values in scores.items()}


def require_measures() -> Any:  # noqa: ANN401 - a module without types
    """Returns ir-measures.

    Raises:
        MissingExtraError: It is not installed.
    """
    return require("ir_measures", extra="evaluate")

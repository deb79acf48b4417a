"""What a ranking is worth: the measures of retrieval, as ir-measures computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum
from typing import Any

from ...extras import require
from ...retrievers.hit import Hit
from .corpus import Qrels

__all__ = ["MEASURES", "as_run", "document_ranking", "mean_scores", "require_measures", "score_queries", "score_run"]

# What we call each measure, and what ir-measures does.
MEASURES = {
    "ndcg@10": "nDCG@10",
    "recall@5": "R@5",
    "recall@10": "R@10",
    "recall@100": "R@100",
    "mrr@10": "RR@10",
    "map": "AP",
}

Run = Mapping[str, Mapping[str, float]]


def as_run(rankings: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Returns for each query the units with scores that keep their order: n for the first of n, 1 for the last.

    trec_eval orders equal scores by name, and single precision makes near ones equal; these are neither.

    Args:
        rankings: For each query its units, best first, each once.
    """
    return {query: {unit: float(len(units) - at) for at, unit in enumerate(units)} for query, units in rankings.items()}


def score_queries(qrels: Qrels, rankings: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Returns for each measure of `MEASURES` the value of every judged query, all in [0, 1]; 0 where nothing was found.

    Args:
        qrels: The judgements.
        rankings: For each query its units, best first, each once.

    Raises:
        MissingExtraError: ir-measures is not installed.
    """
    ir_measures = require_measures()
    parsed = {ir_measures.parse_measure(theirs): ours for ours, theirs in MEASURES.items()}
    scores = {ours: dict.fromkeys(qrels, 0.0) for ours in MEASURES}
    run = {query: found for query, found in as_run(rankings).items() if found and query in qrels}
    judged = {query: dict(grades) for query, grades in qrels.items()}
    for metric in ir_measures.iter_calc(list(parsed), judged, run) if run else ():
        scores[parsed[metric.measure]][metric.query_id] = float(metric.value)
    return scores


def mean_scores(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Returns the mean of each measure over its queries, 0 without any."""
    return {name: fsum(values.values()) / max(len(values), 1) for name, values in scores.items()}


def document_ranking(hits: Sequence[Hit]) -> dict[str, float]:
    """Returns the score of each document that the hits belong to, by source: that of its best chunk."""
    scores: dict[str, float] = {}
    for hit in hits:
        scores[hit.node.source] = max(hit.score, scores.get(hit.node.source, hit.score))
    return scores


def score_run(qrels: Qrels, run: Run, measures: Sequence[str] = ("nDCG@10", "R@100")) -> dict[str, float]:
    """Returns the mean of each measure over all judged queries, as ir-measures computes it.

    Args:
        qrels: The judgements.
        run: For each query the score of each document found.
        measures: Names as ir-measures writes them, such as "nDCG@10", "R@100" or "RR@10".

    Raises:
        MissingExtraError: ir-measures is not installed.
    """
    ir_measures = require_measures()
    parsed = {name: ir_measures.parse_measure(name) for name in measures}
    judged = {query: dict(grades) for query, grades in qrels.items()}
    values = ir_measures.calc_aggregate(list(parsed.values()), judged, {query: dict(it) for query, it in run.items()})
    return {name: float(values[measure]) for name, measure in parsed.items()}


def require_measures() -> Any:  # noqa: ANN401 - a module without types
    """Returns ir-measures.

    Raises:
        MissingExtraError: It is not installed.
    """
    return require("ir_measures", extra="evaluate")

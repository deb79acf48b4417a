"""Corpora in BEIR form: read by one reader, scored by one function."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InvalidArgumentError
from ...extras import require
from ...retrievers.hit import Hit

__all__ = ["BeirCorpus", "document_ranking", "read_beir", "score_run"]

Qrels = dict[str, dict[str, int]]
Run = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class BeirCorpus:
    """A judged corpus.

    Args:
        texts: The documents by id: title, a space and the text, as BEIR's own baselines index them.
        queries: The judged queries by id.
        qrels: For each query, the judged documents and their grades.
    """

    texts: dict[str, str]
    queries: dict[str, str]
    qrels: Qrels


def read_beir(folder: Path, *, split: str = "test") -> BeirCorpus:
    """Returns the corpus of a folder that holds corpus.jsonl, queries.jsonl and qrels/<split>.tsv.

    Args:
        folder: The corpus's folder.
        split: Which judgements to read.

    Raises:
        InvalidArgumentError: A file is missing, or a line can't be read; names file and line.
    """
    texts = {row["_id"]: f"{row.get('title') or ''} {row['text']}".strip() for row in _rows(folder / "corpus.jsonl")}
    queries = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl")}
    qrels: Qrels = {}
    path = folder / "qrels" / f"{split}.tsv"
    with _opened(path) as file:
        for number, row in enumerate(csv.reader(file, delimiter="\t"), start=1):
            if number == 1 and row[-1:] == ["score"]:
                continue
            try:
                query, document, grade = row
                qrels.setdefault(query, {})[document] = int(grade)
            except ValueError as err:
                raise InvalidArgumentError(
                    f"{path}, line {number}: expected query, document, grade, got {row}"
                ) from err
    return BeirCorpus(texts, {query: text for query, text in queries.items() if query in qrels}, qrels)


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
    ir_measures: Any = require("ir_measures", extra="evaluate")
    parsed = {name: ir_measures.parse_measure(name) for name in measures}
    values = ir_measures.calc_aggregate(
        list(parsed.values()), qrels, {query: dict(found) for query, found in run.items()}
    )
    return {name: float(values[measure]) for name, measure in parsed.items()}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                if not (isinstance(row["_id"], str) and isinstance(row["text"], str)):
                    raise TypeError("_id and text must be strings")
            except (ValueError, KeyError, TypeError) as err:
                raise InvalidArgumentError(
                    f"{path}, line {number}: expected an object with _id and text ({err})"
                ) from err
            yield row


def _opened(path: Path) -> Any:  # noqa: ANN401 - a text file
    try:
        return path.open(encoding="utf-8", newline="")
    except OSError as err:
        raise InvalidArgumentError(
            f"{path} can't be read ({err.strerror}): a corpus in BEIR form has this file"
        ) from err

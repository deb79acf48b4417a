"""What an evaluation says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from ...loaders.node import LoadFailure
from .answers import AnswerScores
from .configuration import Configuration
from .measures import mean_scores
from .remarks import Remark

__all__ = ["EvaluationResult", "percentile"]

DECIMALS = 6


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """One configuration on one corpus.

    Args:
        corpus: What the corpus is called.
        configuration: What was evaluated; `retrievers` are those that searched.
        scores: For each measure of `lateral.rag.evaluation.measures.MEASURES` the value of every query, in [0, 1].
        rankings: For each query the units found, best first.
        milliseconds: For each query with a text the time from it to the hits, encoding included, with models loaded.
        index_seconds: Of indexing, models loaded; None where the index was there.
        index_bytes: Of the index on disk, as far as these retrievers need it.
        documents: Documents in the index.
        chunks: Chunks in the index.
        peak_memory_mb: Highest resident memory of this process and its children in 10^6 bytes; see
            `lateral.rag.evaluation.memory.PeakMemory`.
        judged_by: How many queries are judged by "document", by "page" and by "answer".
        remarks: What was odd about the corpus.
        failed: Documents that could not be read.
        answers: How good the answers are, None where none were asked for.
        unanswerable: How many questions the documents don't answer: they are asked for answers alone.
    """

    corpus: str
    configuration: Configuration
    scores: Mapping[str, Mapping[str, float]]
    rankings: Mapping[str, Sequence[str]]
    milliseconds: Mapping[str, float]
    index_seconds: float | None
    index_bytes: int
    documents: int
    chunks: int
    peak_memory_mb: float
    judged_by: Mapping[str, int]
    remarks: tuple[Remark, ...] = ()
    failed: tuple[LoadFailure, ...] = ()
    answers: AnswerScores | None = None
    unanswerable: int = 0

    @property
    def means(self) -> dict[str, float]:
        """The mean of each measure over the queries."""
        return mean_scores(self.scores)

    @property
    def bytes_per_document(self) -> float:
        """Bytes on disk a document."""
        return self.index_bytes / max(self.documents, 1)

    def as_dict(self) -> dict[str, object]:
        """Returns the result as JSON values, without the single queries."""
        return {
            **{name: round(value, DECIMALS) for name, value in self.means.items()},
            "p50_ms": round(percentile(self.milliseconds.values(), 50), 3),
            "p95_ms": round(percentile(self.milliseconds.values(), 95), 3),
            "index_seconds": None if self.index_seconds is None else round(self.index_seconds, 3),
            "bytes_per_document": round(self.bytes_per_document, 1),
            "peak_memory_mb": round(self.peak_memory_mb, 1),
            "corpus": self.corpus,
            "documents": self.documents,
            "chunks": self.chunks,
            "queries": len(self.rankings),
            "unanswerable": self.unanswerable,
            "judged_by": dict(self.judged_by),
            "configuration": self.configuration.as_dict(),
            "remarks": [asdict(remark) for remark in self.remarks],
            "failed": [asdict(failure) for failure in self.failed],
            **({} if self.answers is None else {"answers": self.answers.as_dict()}),
        }


def percentile(values: Iterable[float], percent: float) -> float:
    """Returns the smallest value that at least this share of the values does not exceed (the nearest rank).

    Args:
        values: Any numbers; 0 comes back without any.
        percent: Above 0, at most 100.
    """
    ordered = sorted(values)
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1] if ordered else 0.0

"""What a comparison found: one row a configuration, each tested against the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import fsum

from ...loaders.node import LoadFailure
from .measures import mean_scores
from .recommend import Candidate, Recommendation, recommend
from .remarks import Remark
from .result import DECIMALS, percentile
from .significance import ALPHA, holm, paired_ps

__all__ = ["JUDGED_BY", "Comparison", "Row", "against"]

JUDGED_BY = "ndcg@10"  # what is compared, tested and recommended by


@dataclass(frozen=True, slots=True)
class Row:
    """One configuration.

    Args:
        name: What to call it, such as "bm25+bi-encoder, rrf" or "bm25, cross-encoder@50".
        scores: For each measure of `lateral.rag.evaluation.measures.MEASURES` the value of every query, in [0, 1].
        milliseconds: For each query that was timed the time from text to hits, models loaded.
        bytes_per_document: Of the index on disk, as far as this configuration needs it.
        gain: Mean difference in nDCG@10 to what it is tested against; None for that one itself.
        p: Of a paired randomization test of that difference, corrected for the number of tests.
    """

    name: str
    scores: Mapping[str, Mapping[str, float]]
    milliseconds: Mapping[str, float]
    bytes_per_document: float
    gain: float | None = None
    p: float | None = None

    @property
    def means(self) -> dict[str, float]:
        """The mean of each measure over the queries."""
        return mean_scores(self.scores)

    @property
    def quality(self) -> float:
        """The mean nDCG@10."""
        return self.means[JUDGED_BY]

    @property
    def p50_ms(self) -> float:
        """The median time of a query."""
        return percentile(self.milliseconds.values(), 50)

    def as_dict(self) -> dict[str, object]:
        """Returns the row as JSON values, without the single queries."""
        return {
            "name": self.name,
            **{name: round(value, DECIMALS) for name, value in self.means.items()},
            "gain": None if self.gain is None else round(self.gain, DECIMALS),
            "p": None if self.p is None else round(self.p, DECIMALS),
            "p50_ms": round(self.p50_ms, 3),
            "p95_ms": round(percentile(self.milliseconds.values(), 95), 3),
            "bytes_per_document": round(self.bytes_per_document, 1),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Configurations side by side on one corpus, in one run.

    Attributes:
        recommendation: Which configuration to take, and why; found out from the rows.

    Args:
        corpus: What the corpus is called.
        rows: One a configuration.
        baseline: The name of the row that the others are tested against.
        queries: How many were asked.
        documents: Documents in the index.
        chunks: Chunks in the index.
        top_k: How many hits each query was asked for.
        index_seconds: Of making the one index that serves all; None where it was there.
        remarks: What was odd about the corpus.
        failed: Documents that could not be read.
        sweep: What storing the vectors otherwise costs: for each retriever its formats, tested against the first.
        reranker: The reranker that each row was measured with and without, as it was named; None for none.
        unanswerable: How many questions the documents don't answer: they are not asked.
    """

    corpus: str
    rows: tuple[Row, ...]
    baseline: str
    queries: int
    documents: int
    chunks: int
    top_k: int
    index_seconds: float | None
    remarks: tuple[Remark, ...] = ()
    failed: tuple[LoadFailure, ...] = ()
    sweep: tuple[Row, ...] = ()
    reranker: str | None = None
    unanswerable: int = 0
    recommendation: Recommendation = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = recommend([Candidate.of(row, JUDGED_BY) for row in self.rows], self.baseline)
        object.__setattr__(self, "recommendation", found)  # once: it reads every query of every row

    @property
    def timed(self) -> int:
        """How many of the queries were timed."""
        return max((len(row.milliseconds) for row in self.rows), default=0)

    def as_dict(self) -> dict[str, object]:
        """Returns the comparison as JSON values, without the single queries."""
        return {
            "corpus": self.corpus,
            "documents": self.documents,
            "chunks": self.chunks,
            "queries": self.queries,
            "timed_queries": self.timed,
            "unanswerable": self.unanswerable,
            "top_k": self.top_k,
            "reranker": self.reranker,
            "index_seconds": None if self.index_seconds is None else round(self.index_seconds, 3),
            "baseline": self.baseline,
            "significant_below": ALPHA,
            "configurations": [row.as_dict() for row in self.rows],
            "sweep": [row.as_dict() for row in self.sweep],
            "recommendation": self.recommendation.as_dict(),
            "remarks": [asdict(remark) for remark in self.remarks],
            "failed": [asdict(failure) for failure in self.failed],
        }


def against(rows: Sequence[Row], baseline: str) -> list[Row]:
    """Returns the rows with gain and p against the one of this name, corrected over all of them by Holm's method."""
    base = next(row for row in rows if row.name == baseline)
    others = [row for row in rows if row is not base]
    tested = iter(holm(paired_ps([row.scores[JUDGED_BY] for row in others], base.scores[JUDGED_BY])))
    return [row if row is base else replace(row, gain=_gain(row, base), p=next(tested)) for row in rows]


def _gain(row: Row, base: Row) -> float:
    differences = [value - base.scores[JUDGED_BY][query] for query, value in row.scores[JUDGED_BY].items()]
    return fsum(differences) / max(len(differences), 1)

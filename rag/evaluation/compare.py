"""Comparison: the retrievers of one index, their fusions and a reranker behind them, side by side on one corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import InvalidArgumentError
from ...rerankers.registry import NO_RERANKER
from ...rerankers.reranker import Reranker, candidates_of
from ...retrievers.hybrid import DEFAULT_FUSION
from ...retrievers.indexed import IndexedRetriever
from ..indexing.setup import indexed
from ..pipeline import RAG, OnProgress
from .comparison import Comparison, Row, against
from .configuration import Configuration
from .contender import Contender, contenders
from .corpus import JudgedCorpus
from .measures import require_measures, score_queries
from .not_indexed import not_indexed
from .queries_ahead import ask_two_ways
from .searching import Built, OnQuery, Searched, build_index, index_bytes
from .side_by_side import search_side_by_side, untimed_texts

__all__ = ["compare"]

BASELINE = "bi-encoder"  # what most systems run today


def compare(
    corpus: JudgedCorpus,
    configuration: Configuration,
    index_folder: Path,
    *,
    baseline: str | None = None,
    on_index: OnProgress | None = None,
    on_query: OnQuery | None = None,
) -> Comparison:
    """Returns how good and how fast each retriever and each fusion of several is, tested against a baseline.

    One index serves all: each text of a document is encoded once an encoder, and so is each text of a query. Queries
    are asked one after another; each retriever is asked a query once, and what it finds is fused in every way. A fusion
    asks its retrievers in turn, so its time is the sum of theirs and of the fusing. All are measured in this process on
    this machine, query by query, so that a disturbance meets all alike. 100 queries, evenly spread, are encoded one by
    one and timed, their encoding too; the others are encoded many together. All are judged.

    With a reranker each is measured with and without it: the model scores the candidates of each one anew, so the run
    takes that time for every retriever and every fusion.

    Args:
        corpus: From `read_corpus`, `read_beir` or `read_questions`.
        configuration: Which retrievers and reranker, how they are made, and how many hits are asked for; its fusion is
            not read.
        index_folder: Where the index is or will be.
        baseline: The name of a contender, with the fusion left out if it is the default one. None: "bi-encoder", or
            the first retriever where there is none.
        on_index: Told after every document and commit.
        on_query: Told how many queries are done, and of how many.

    Raises:
        MissingExtraError: ir-measures is not installed.
        InvalidArgumentError: There is no contender of the baseline's name.
        IndexConfigError: The index there is of something else, or made otherwise.
        ModelNotFoundError: A model can't be had.
    """
    require_measures()
    with configuration.open(index_folder) as rag:
        running = contenders([it.name for it in _chosen(rag, configuration)], reranker=_label(rag.reranker))
        base = _baseline(running, baseline)
        built = build_index(rag, corpus, on_index=on_index)
        retrievers = ask_two_ways(_chosen(rag, configuration), rag.index, untimed_texts(corpus))
        found = search_side_by_side(
            retrievers, running, corpus, top_k=configuration.top_k, reranker=rag.reranker, on_query=on_query
        )
        return _comparison(rag, corpus, configuration, built=built, found=found, baseline=base.name)


def _comparison(
    rag: RAG,
    corpus: JudgedCorpus,
    configuration: Configuration,
    *,
    built: Built,
    found: Mapping[Contender, Searched],
    baseline: str,
) -> Comparison:
    status = rag.status()
    rows = [
        Row(
            one.name,
            score_queries(corpus.qrels, searched.rankings),
            searched.milliseconds,
            index_bytes(status, one.retrievers) / max(status.documents, 1),
        )
        for one, searched in found.items()
    ]
    return Comparison(
        corpus=corpus.name,
        rows=tuple(against(rows, baseline)),
        baseline=baseline,
        queries=len(corpus.queries),
        documents=status.documents,
        chunks=status.chunks,
        top_k=configuration.top_k,
        index_seconds=built.seconds,
        remarks=(*corpus.remarks, *not_indexed(rag, corpus)),
        failed=built.failed,
        unanswerable=len(corpus.unanswerable),
        reranker=None if configuration.reranker == NO_RERANKER else configuration.reranker,
    )


def _label(reranker: Reranker | None) -> str | None:
    """Returns what a reranker is called in the names of rows."""
    if reranker is None:
        return None
    return f"{getattr(reranker, 'name', type(reranker).__name__)}@{candidates_of(reranker)}"


def _chosen(rag: RAG, configuration: Configuration) -> list[IndexedRetriever]:
    """Returns the retrievers that are compared, in the order of the index."""
    names = configuration.retrievers
    return [it for it in indexed(rag.retrievers) if names is None or it.name in names]


def _baseline(running: Sequence[Contender], name: str | None) -> Contender:
    """Returns the contender that the others are tested against."""
    by_name = {one.name: one for one in running}
    wanted = name or (BASELINE if BASELINE in by_name else running[0].name)
    for spelled in (wanted, f"{wanted}, {DEFAULT_FUSION}"):
        if spelled in by_name:
            return by_name[spelled]
    raise InvalidArgumentError(f"there is no {wanted!r:.80} to compare with: {'; '.join(by_name)}")

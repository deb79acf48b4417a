"""Comparison: the retrievers of one index, their fusions and a reranker behind them, side by side on one corpus."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from ...errors import InvalidArgumentError
from ...rerankers.reranker import Reranker, candidates_of
from ...retrievers.hit import Hit
from ...retrievers.hybrid import DEFAULT_DEPTH, DEFAULT_FUSION, FUSIONS, HybridRetriever
from ...retrievers.indexed import IndexedRetriever
from ..indexing.setup import indexed
from ..pipeline import RAG, OnProgress
from .comparison import Comparison, Row, against
from .configuration import NO_RERANKER, Configuration
from .corpus import JudgedCorpus, evenly
from .measures import require_measures, score_queries
from .not_indexed import not_indexed
from .queries_ahead import AskedTwoWays, ask_two_ways
from .searching import OnQuery, Searched, build_index, index_bytes, rerank_first

__all__ = ["Contender", "compare", "contenders", "search_side_by_side"]

BASELINE = "bi-encoder"  # what most systems run today
TIMED = 100  # queries whose time is taken: a median of so many is steady


@dataclass(frozen=True, slots=True)
class Contender:
    """One retriever, or the fusion of several, and perhaps a reranker behind.

    Args:
        retrievers: Their names.
        fusion: How they are fused, None for one alone.
        reranker: What reorders their first hits, with how many it reads, such as "cross-encoder@50"; None for nothing.
    """

    retrievers: tuple[str, ...]
    fusion: str | None = None
    reranker: str | None = None

    @property
    def name(self) -> str:
        """Such as "bm25", "bm25+bi-encoder, rrf" or "bm25, cross-encoder@50"."""
        return ", ".join(part for part in ("+".join(self.retrievers), self.fusion, self.reranker) if part)


def contenders(names: Sequence[str], *, reranker: str | None = None) -> list[Contender]:
    """Returns each retriever alone, then every two or more of them under every fusion; then all of them reranked.

    Args:
        names: The retrievers, in the order of their fusion.
        reranker: What a reranker is called; None where there is none.
    """
    alone = [Contender((name,)) for name in names]
    several = [group for size in range(2, len(names) + 1) for group in combinations(names, size)]
    plain = alone + [Contender(group, fusion) for group in several for fusion in FUSIONS]
    return plain if reranker is None else plain + [replace(one, reranker=reranker) for one in plain]


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

    One index serves all: each document is encoded once an encoder. Queries are asked one after another; each retriever
    is asked a query once, and what it finds is fused in every way. A fusion asks its retrievers in turn, so its time is
    the sum of theirs and of the fusing. All are measured in this process on this machine, query by query, so that a
    disturbance meets all alike. 100 queries, evenly spread, are encoded one by one and timed; the others are encoded
    many together. All are judged.

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
        on_query: Told after each query.

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
        timed = _timed(corpus)
        untimed = (text for query, text in corpus.queries.items() if query not in timed)
        retrievers = ask_two_ways(_chosen(rag, configuration), rag.index, untimed)
        found = search_side_by_side(
            retrievers, running, corpus, top_k=configuration.top_k, reranker=rag.reranker, on_query=on_query
        )
        status, remarks = rag.status(), (*corpus.remarks, *not_indexed(rag, corpus))
        rows = [
            Row(
                one.name,
                score_queries(corpus.qrels, found[one].rankings),
                found[one].milliseconds,
                index_bytes(rag, one.retrievers) / max(status.documents, 1),
            )
            for one in running
        ]
    return Comparison(
        corpus=corpus.name,
        rows=tuple(against(rows, base.name)),
        baseline=base.name,
        queries=len(corpus.queries),
        documents=status.documents,
        chunks=status.chunks,
        top_k=configuration.top_k,
        index_seconds=built.seconds,
        remarks=remarks,
        failed=built.failed,
        unanswerable=len(corpus.unanswerable),
        reranker=None if configuration.reranker == NO_RERANKER else configuration.reranker,
    )


def search_side_by_side(
    retrievers: AskedTwoWays,
    running: Sequence[Contender],
    corpus: JudgedCorpus,
    *,
    top_k: int,
    reranker: Reranker | None = None,
    on_query: OnQuery | None = None,
) -> dict[Contender, Searched]:
    """Returns what every contender finds for every query; the first query is asked once more before, untimed.

    Args:
        retrievers: Those that the contenders name; alone they are asked the queries that are timed.
        running: The contenders.
        corpus: Whose queries are asked.
        top_k: How many hits each is cut to; retrievers are asked for at least as many as a hybrid asks for.
        reranker: What reorders the first hits of those contenders that name one.
        on_query: Told after each query how many are done, and of how many.
    """
    fusing = {
        one: HybridRetriever(
            [it for it in retrievers.alone if it.name in one.retrievers], fusion=one.fusion or DEFAULT_FUSION
        )
        for one in running
    }
    rankings: dict[Contender, dict[str, list[str]]] = {one: {} for one in running}
    times: dict[Contender, dict[str, float]] = {one: {} for one in running}
    for text in list(corpus.queries.values())[:1]:
        list(_asked(retrievers.alone, fusing, reranker, text, top_k))  # loads models and reads the index
    timed = _timed(corpus)
    for done, (query, text) in enumerate(corpus.queries.items(), start=1):
        asked = retrievers.alone if query in timed else retrievers.ahead
        for one, hits, milliseconds in _asked(asked, fusing, reranker, text, top_k):
            rankings[one][query] = list(dict.fromkeys(corpus.unit(query, hit.node) for hit in hits))
            if query in timed:
                times[one][query] = milliseconds
        if on_query is not None:
            on_query(done, len(corpus.queries))
    return {one: Searched(rankings[one], times[one]) for one in running}


def _asked(
    retrievers: Sequence[IndexedRetriever],
    fusing: Mapping[Contender, HybridRetriever],
    reranker: Reranker | None,
    text: str,
    top_k: int,
) -> Iterator[tuple[Contender, list[Hit], float]]:
    """Yields for each contender its hits for a query, and the milliseconds that they took."""
    depth = max(top_k, 0 if reranker is None else candidates_of(reranker))
    hits: dict[str, list[Hit]] = {}
    took: dict[str, float] = {}
    for retriever in retrievers:
        start = time.perf_counter()
        hits[retriever.name] = retriever.retrieve(text, max(depth, DEFAULT_DEPTH))
        took[retriever.name] = 1_000 * (time.perf_counter() - start)
    for one, hybrid in fusing.items():
        start = time.perf_counter()
        wanted = top_k if one.reranker is None else depth
        asked = max(wanted, hybrid.depth)  # as it asks alone: what a list that was cut lacks has another score
        lists = [hits[name][:asked] for name in one.retrievers]
        found = lists[0][:wanted] if one.fusion is None else hybrid.fuse(lists, depth=asked, top_k=wanted)
        if one.reranker is not None and reranker is not None:
            found = rerank_first(reranker, text, found)
        own = 1_000 * (time.perf_counter() - start)
        yield one, found[:top_k], sum(took[name] for name in one.retrievers) + own


def _timed(corpus: JudgedCorpus) -> set[str]:
    """Returns the queries whose time is taken."""
    return set(evenly(list(corpus.queries), TIMED))


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

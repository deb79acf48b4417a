"""Comparison: the retrievers of one index and their fusions, side by side on one corpus."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from ...errors import InvalidArgumentError
from ...retrievers.hit import Hit
from ...retrievers.hybrid import DEFAULT_DEPTH, DEFAULT_FUSION, FUSIONS, HybridRetriever
from ...retrievers.indexed import IndexedRetriever
from ..indexing.setup import indexed
from ..pipeline import RAG, OnProgress
from .comparison import Comparison, Row, against
from .configuration import Configuration
from .corpus import JudgedCorpus
from .measures import require_measures, score_queries
from .searching import OnQuery, Searched, build_index, index_bytes

__all__ = ["Contender", "compare", "contenders", "search_side_by_side"]

BASELINE = "bi-encoder"  # what most systems run today


@dataclass(frozen=True, slots=True)
class Contender:
    """One retriever, or the fusion of several.

    Args:
        retrievers: Their names.
        fusion: How they are fused, None for one alone.
    """

    retrievers: tuple[str, ...]
    fusion: str | None = None

    @property
    def name(self) -> str:
        """Such as "bm25" or "bm25+bi-encoder, rrf"."""
        joined = "+".join(self.retrievers)
        return joined if self.fusion is None else f"{joined}, {self.fusion}"


def contenders(names: Sequence[str]) -> list[Contender]:
    """Returns each retriever alone, then every two or more of them under every fusion.

    Args:
        names: The retrievers, in the order of their fusion.
    """
    alone = [Contender((name,)) for name in names]
    several = [group for size in range(2, len(names) + 1) for group in combinations(names, size)]
    return alone + [Contender(group, fusion) for group in several for fusion in FUSIONS]


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
    disturbance meets all alike.

    Args:
        corpus: From `read_corpus`, `read_beir` or `read_questions`.
        configuration: Which retrievers, how they are made, and how many hits are asked for; its fusion is not read.
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
        running = contenders([it.name for it in _chosen(rag, configuration)])
        base = _baseline(running, baseline)
        built = build_index(rag, corpus, on_index=on_index)
        retrievers = _chosen(rag, configuration)
        found = search_side_by_side(retrievers, running, corpus, configuration.top_k, on_query=on_query)
        status = rag.status()
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
        remarks=corpus.remarks,
        failed=built.failed,
    )


def search_side_by_side(
    retrievers: Sequence[IndexedRetriever],
    running: Sequence[Contender],
    corpus: JudgedCorpus,
    top_k: int,
    *,
    on_query: OnQuery | None = None,
) -> dict[Contender, Searched]:
    """Returns what every contender finds for every query; the first query is asked once more before, untimed.

    Args:
        retrievers: Those that the contenders name.
        running: The contenders.
        corpus: Whose queries are asked.
        top_k: How many hits each is cut to; retrievers are asked for at least as many as a hybrid asks for.
        on_query: Told after each query how many are done, and of how many.
    """
    fusing = {
        one: HybridRetriever(
            [it for it in retrievers if it.name in one.retrievers], fusion=one.fusion or DEFAULT_FUSION
        )
        for one in running
    }
    rankings: dict[Contender, dict[str, list[str]]] = {one: {} for one in running}
    times: dict[Contender, dict[str, float]] = {one: {} for one in running}
    for text in list(corpus.queries.values())[:1]:
        list(_asked(retrievers, fusing, text, top_k))  # loads models and reads the index
    for done, (query, text) in enumerate(corpus.queries.items(), start=1):
        for one, hits, milliseconds in _asked(retrievers, fusing, text, top_k):
            rankings[one][query] = list(dict.fromkeys(corpus.unit(query, hit.node) for hit in hits))
            times[one][query] = milliseconds
        if on_query is not None:
            on_query(done, len(corpus.queries))
    return {one: Searched(rankings[one], times[one]) for one in running}


def _asked(
    retrievers: Sequence[IndexedRetriever], fusing: Mapping[Contender, HybridRetriever], text: str, top_k: int
) -> Iterator[tuple[Contender, list[Hit], float]]:
    """Yields for each contender its hits for a query, and the milliseconds that they took."""
    hits: dict[str, list[Hit]] = {}
    took: dict[str, float] = {}
    for retriever in retrievers:
        start = time.perf_counter()
        hits[retriever.name] = retriever.retrieve(text, max(top_k, DEFAULT_DEPTH))
        took[retriever.name] = 1_000 * (time.perf_counter() - start)
    for one, hybrid in fusing.items():
        asked = sum(took[name] for name in one.retrievers)
        if one.fusion is None:
            yield one, hits[one.retrievers[0]][:top_k], asked
            continue
        start = time.perf_counter()
        fused = hybrid.fuse([hits[name] for name in one.retrievers], top_k=top_k)
        yield one, fused, asked + 1_000 * (time.perf_counter() - start)


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

"""Contenders asked the same queries in turn, so that a disturbance of the machine meets all alike."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial

from ...rerankers.reranker import Reranker, candidates_of
from ...retrievers.hit import Hit
from ...retrievers.hybrid import DEFAULT_DEPTH, DEFAULT_FUSION, HybridRetriever
from ...retrievers.indexed import IndexedRetriever
from .contender import Contender
from .corpus import JudgedCorpus, evenly
from .queries_ahead import AskedTwoWays
from .searching import OnQuery, Searched, rerank_first

__all__ = ["TIMED", "search_side_by_side", "untimed_texts"]

TIMED = 100  # queries whose time is taken: a median of so many is steady


def search_side_by_side(
    retrievers: AskedTwoWays,
    running: Sequence[Contender],
    corpus: JudgedCorpus,
    *,
    top_k: int,
    reranker: Reranker | None = None,
    on_query: OnQuery | None = None,
) -> dict[Contender, Searched]:
    """Returns what every contender finds for every query, and how long it took for those that are timed.

    A text is asked once, whatever number of queries have it, and before all of them one that is no query, untimed: it
    loads the models and reads the index. At most 100 texts are timed, evenly spread, empty ones left out. The time of
    a query holds all from its text to the hits: encoding it alone, searching, reading the hits, fusing and reranking.

    Args:
        retrievers: Those that the contenders name; alone they are asked what is timed.
        running: The contenders.
        corpus: Whose queries are asked.
        top_k: How many hits each is cut to; retrievers are asked for at least as many as a hybrid asks for.
        reranker: What reorders the first hits of those contenders that name one.
        on_query: Told how many queries are done, and of how many.
    """
    fusing = {
        one: HybridRetriever(
            [it for it in retrievers.alone if it.name in one.retrievers], fusion=one.fusion or DEFAULT_FUSION
        )
        for one in running
    }
    rankings: dict[Contender, dict[str, list[str]]] = {one: {} for one in running}
    times: dict[Contender, dict[str, float]] = {one: {} for one in running}
    list(_asked(retrievers.alone, fusing, reranker, retrievers.warm_up, top_k))
    timed, done = _timed_texts(corpus), 0
    for text, queries in _by_text(corpus).items():
        asked = retrievers.alone if text in timed else retrievers.ahead
        units = {query: cache(partial(corpus.unit, query)) for query in queries}  # contenders share most of their hits
        for one, hits, milliseconds in _asked(asked, fusing, reranker, text, top_k):
            for query, unit in units.items():
                rankings[one][query] = list(dict.fromkeys(unit(hit.node) for hit in hits))
            if text in timed:
                times[one][queries[0]] = milliseconds
        done += len(queries)
        if on_query is not None:
            on_query(done, len(corpus.queries))
    return {one: Searched(rankings[one], times[one]) for one in running}


def untimed_texts(corpus: JudgedCorpus) -> list[str]:
    """Returns the texts of the queries that are judged and not timed, in the order in which they are asked."""
    timed = _timed_texts(corpus)
    return [text for text in _by_text(corpus) if text.strip() and text not in timed]


def _by_text(corpus: JudgedCorpus) -> dict[str, list[str]]:
    """Returns the queries of each text."""
    queries: dict[str, list[str]] = {}
    for query, text in corpus.queries.items():
        queries.setdefault(text, []).append(query)
    return queries


def _timed_texts(corpus: JudgedCorpus) -> set[str]:
    """Returns the texts whose time is taken: an empty one is not searched for, and would pass for a fast one."""
    return set(evenly([text for text in _by_text(corpus) if text.strip()], TIMED))


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

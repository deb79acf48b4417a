"""The index of a corpus, searched as a configuration says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from ...errors import IndexConfigError, IndexNotFoundError, InvalidArgumentError
from ...loaders.node import LoadFailure
from ...rerankers.reranker import Reranker, candidates_of
from ...retrievers.bi_encoder import DERIVED as CHROMA
from ...retrievers.bi_encoder import NAME as BI_ENCODER
from ...retrievers.candidates_files import candidates_name
from ...retrievers.hit import Hit
from ...retrievers.hybrid import DEFAULT_FUSION, HybridRetriever
from ...retrievers.indexed import IndexedRetriever
from ...retrievers.retriever import Retriever, Where
from ...retrievers.shortlist import PLAID
from ...retrievers.shortlist import USUAL as COLBERT
from ...retrievers.store import Index
from ...retrievers.store.schema import VECTORS
from ..indexing.setup import indexed
from ..indexing.status import IndexStatus
from ..pipeline import RAG, OnProgress
from .configuration import Configuration
from .corpus import JudgedCorpus

__all__ = [
    "WARMING",
    "Built",
    "OnQuery",
    "Search",
    "Searched",
    "build_index",
    "index_bytes",
    "is_whole",
    "rerank_first",
    "search_all",
    "search_with",
    "warming_query",
]

OnQuery: TypeAlias = Callable[[int, int], None]
WARMING = "warm up"
WARMING_WORDS = 8  # of a text: enough for BM25 to find it
WARMING_LENGTHS = (1, 12, 20, 40)  # words of queries that are encoded untimed: a runtime prepares itself for lengths


class Search(Protocol):
    """What is searched with, such as `RAG.retrieve`."""

    def __call__(self, query: str, top_k: int, where: Where | None = None, /) -> list[Hit]:
        """Returns the hits of a query, best first."""
        ...


@dataclass(frozen=True, slots=True)
class Built:
    """What indexing took.

    Args:
        seconds: Of reading, cutting, encoding and committing, without loading the models; None where the index held
            documents of the corpus already, so that this run tells nothing about the whole.
        failed: Documents that could not be read.
    """

    seconds: float | None
    failed: tuple[LoadFailure, ...]


@dataclass(frozen=True, slots=True)
class Searched:
    """What the queries found.

    Args:
        rankings: For each query its units, best first, each once.
        milliseconds: For each query that was timed, from text to hits; see `search_all`.
    """

    rankings: Mapping[str, Sequence[str]]
    milliseconds: Mapping[str, float]


def build_index(rag: RAG, corpus: JudgedCorpus, *, on_index: OnProgress | None = None) -> Built:
    """Adds the corpus to the index; what it holds already is not encoded again.

    Raises:
        IndexConfigError: The index holds documents of something else.
        InvalidArgumentError: Not one document could be indexed.
    """
    sources = corpus.sources()
    _refuse_foreign(rag, corpus.name, {it["id"] if isinstance(it, Mapping) else str(it) for it in sources})
    for retriever in indexed(rag.retrievers):
        if retriever.encoder is not None:
            retriever.encoder.encode_documents([WARMING])
    start = time.perf_counter()
    report = rag.add(sources, on_progress=on_index)
    seconds = time.perf_counter() - start
    if not report.added + report.updated + report.unchanged:
        why = f": {report.failed[0].source}: {report.failed[0].reason}" if report.failed else ""
        raise InvalidArgumentError(f"no document of {corpus.name} could be indexed{why}")
    return Built(None if report.unchanged else seconds, report.failed)


def is_whole(configuration: Configuration, rag: RAG) -> bool:
    """Returns whether the configuration searches with all retrievers of the index."""
    return configuration.retrievers is None or set(configuration.retrievers) == {
        retriever.name for retriever in indexed(rag.retrievers)
    }


def search_with(configuration: Configuration, rag: RAG) -> Search:
    """Returns the search of a configuration: `RAG.retrieve` where it is the index's own, else one of a part of it.

    With a reranker it is the fused hits, the first of them reordered; see `rerank_first`.
    """
    reranker = rag.reranker
    if reranker is None and is_whole(configuration, rag):
        return rag.retrieve
    opened = {retriever.name: retriever for retriever in indexed(rag.retrievers)}
    names = configuration.retrievers
    chosen: Sequence[Retriever] = rag.retrievers if names is None else [opened[name] for name in names]
    found = chosen[0] if len(chosen) == 1 else HybridRetriever(chosen, fusion=configuration.fusion or DEFAULT_FUSION)
    if reranker is None:
        return found.retrieve

    def search(query: str, top_k: int, where: Where | None = None) -> list[Hit]:
        hits = found.retrieve(query, max(top_k, candidates_of(reranker)), where)
        return rerank_first(reranker, query, hits)[:top_k]

    return search


def rerank_first(reranker: Reranker, query: str, hits: Sequence[Hit]) -> list[Hit]:
    """Returns the hits, as many of them as a reranker asks for in its order, and those behind in theirs.

    So the first ones are what `RAG.retrieve` gives where no more are asked for, and recall further down is that of the
    retrievers. The order is to be judged: scores before and behind are on two scales.
    """
    read = candidates_of(reranker)
    first = hits[:read]
    return [*(reranker.rerank(query, first, len(first)) if first else ()), *hits[read:]]


def warming_query(index: Index, retrievers: Iterable[IndexedRetriever]) -> str:
    """Returns a query that finds something and is none of a corpus's: what loads models and reads the index.

    Args:
        index: What will be searched.
        retrievers: Their encoders encode queries of several lengths here.
    """
    for retriever in retrievers:
        if retriever.encoder is not None:
            for length in WARMING_LENGTHS:
                retriever.encoder.encode_queries([" ".join(["warm"] * length)])
    with index.read() as snapshot:
        first = [it.decode() for it in snapshot.chunk_ids()[:1]]
        words = [word for node in snapshot.nodes(first) for word in node.text.split()[:WARMING_WORDS]]
    return " ".join([WARMING, *words])


def search_all(
    search: Search, corpus: JudgedCorpus, top_k: int, *, warm_up: str = WARMING, on_query: OnQuery | None = None
) -> Searched:
    """Returns what every query of the corpus finds, each asked once, and how long it took.

    The time of a query holds all from its text to the hits: encoding it, searching, fusing, reranking and reading the
    hits. An empty query is not searched for; it has no time, and would pass for a fast one.

    Args:
        search: Query and top_k in, hits out.
        corpus: Whose queries are asked.
        top_k: How many hits each is asked for.
        warm_up: Asked before, untimed; see `warming_query`.
        on_query: Told after each query how many are done, and of how many.
    """
    rankings: dict[str, list[str]] = {}
    milliseconds: dict[str, float] = {}
    search(warm_up, top_k)
    for query, text in corpus.queries.items():
        start = time.perf_counter()
        hits = search(text, top_k)
        if text.strip():
            milliseconds[query] = 1_000 * (time.perf_counter() - start)
        rankings[query] = list(dict.fromkeys(corpus.unit(query, hit.node) for hit in hits))
        if on_query is not None:
            on_query(len(rankings), len(corpus.queries))
    return Searched(rankings, milliseconds)


def index_bytes(status: IndexStatus, names: Sequence[str]) -> int:
    """Returns the size on disk of what these retrievers need: the catalog, their vectors, what they derive.

    Left out are the vectors of the index's other retrievers, and what these derive, and segments that have been merged,
    which the next writer removes.

    Args:
        status: Of the index.
        names: The retrievers.
    """
    folder = Path(status.index)
    merged = _folder_bytes(folder / VECTORS) - sum(it.bytes for it in status.vectors.values())
    others = [name for name in status.retrievers if name not in names]
    vectors = sum(status.vectors[name].bytes for name in others if name in status.vectors)
    derived = {place for name in others for place in _derived_by(name)}
    return status.bytes - max(merged, 0) - vectors - sum(_folder_bytes(folder / place) for place in derived)


def _derived_by(name: str) -> set[str]:
    """Returns the folders that a retriever's derived indexes stand in, of whichever kind it is."""
    chroma = CHROMA if name == BI_ENCODER else f"{CHROMA}-{name}"
    plaid = PLAID if name == COLBERT else f"{PLAID}-{name}"
    return {name, candidates_name(name), chroma, plaid}


def _refuse_foreign(rag: RAG, name: str, expected: Set[str]) -> None:
    try:
        foreign = [source for source in rag.status().sources if source not in expected]
    except IndexNotFoundError:
        return
    if foreign:
        raise IndexConfigError(
            f"the index at '{rag.index.folder}' holds {len(foreign):,} documents that are not of {name} "
            f"(such as {foreign[0]!r:.80}): name another folder"
        )


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

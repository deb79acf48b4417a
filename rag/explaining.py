"""From a query and a node to why the one found the other, through every stage of the pipeline."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..arguments import check_positive
from ..errors import IndexCorruptError, InvalidArgumentError
from ..loaders.node import Node
from ..rerankers import Reranker
from ..retrievers.explanation import Explaining, chunk_position
from ..retrievers.hit import Hit, TrailStep
from ..retrievers.hybrid import DEFAULT_DEPTH, DEFAULT_FUSION, Fusion, HybridRetriever
from ..retrievers.retriever import Retriever, Where
from ..retrievers.store import Index, Snapshot
from .hit_explanation import HitExplanation, Standing

__all__ = ["ExplainedHit", "Stages", "explain_hit"]

logger = logging.getLogger(__name__)

ExplainedHit: TypeAlias = Hit | Node | str | int


@dataclass(frozen=True, slots=True)
class Stages:
    """What a query passes.

    Args:
        index: The index.
        retrievers: Over it; several are fused.
        reranker: Reorders the hits, None for none.
        rerank_depth: How many of them it reads.
        fusion: How several retrievers are fused; see `HybridRetriever`.
    """

    index: Index
    retrievers: Sequence[Retriever]
    reranker: Reranker | None
    rerank_depth: int
    fusion: str | Fusion = DEFAULT_FUSION


def explain_hit(stages: Stages, query: str, hit: ExplainedHit, *, where: Where | None = None) -> HitExplanation:
    """Returns where a node stands in the list of each stage, and what each stage's score is made of.

    Each retriever is asked for 100 hits, as a search asks it, or for as many as the rank that is wanted.

    Args:
        stages: What the query passes.
        query: The question or keywords.
        hit: A hit, its node, a node's id, or a rank in the list that the last stage gives.
        where: The filter that was searched with.

    Raises:
        InvalidArgumentError: The index has no such node, the query no such rank, or the filter is wrong.
    """
    if isinstance(hit, bool) or not isinstance(hit, Hit | Node | str | int):
        raise InvalidArgumentError(
            f"a hit to explain must be a Hit, a Node, a node's id or a rank, got {hit!r:.80} ({type(hit).__name__})"
        )
    try:
        return _explained(stages, query, hit, where)
    except IndexCorruptError:
        logger.info("reading again: a writer may have replaced a file after it was looked up")
        return _explained(stages, query, hit, where)


def _explained(stages: Stages, query: str, hit: ExplainedHit, where: Where | None) -> HitExplanation:
    rank = check_positive("the rank of a hit", hit) if isinstance(hit, int) else 1
    with stages.index.read() as snapshot:  # what retrievers read inside is the same generation
        named = None if isinstance(hit, int) else _node(snapshot, hit)  # an unknown one fails before the search
        rankings = _rankings(stages, query, where, rank)
        node = named or _at_rank(rankings[-1].hits, rank)
        path = [
            step
            for number, ranking in enumerate(rankings)
            for step in _standings(ranking, node, last_only=number >= len(stages.retrievers))
        ]
        able = (it for it in _leaves([*stages.retrievers, stages.reranker]) if isinstance(it, Explaining))
        return HitExplanation(query, node, tuple(path), {_name(it): it.explain(query, node) for it in able})


@dataclass(frozen=True, slots=True)
class _Ranking:
    """The list of one stage; its name is for a list whose hits don't tell."""

    stage: str
    hits: list[Hit]
    complete: bool


def _rankings(stages: Stages, query: str, where: Where | None, rank: int) -> list[_Ranking]:
    """Returns the lists of the retrievers, the fused one where there are several, and the reranker's."""
    depth = max(DEFAULT_DEPTH, rank, stages.rerank_depth)
    found = []
    for retriever in stages.retrievers:
        hits = retriever.retrieve(query, depth, where)
        found.append(_Ranking(_name(retriever), hits, len(hits) < depth))
    complete = all(ranking.complete for ranking in found)
    if len(found) > 1:
        hybrid = HybridRetriever(stages.retrievers, fusion=stages.fusion)
        fused = hybrid.fuse([ranking.hits for ranking in found], depth=depth)
        found.append(_Ranking(stages.fusion if isinstance(stages.fusion, str) else "fusion", fused, complete))
    if stages.reranker is not None:
        fused = found[-1].hits
        read = fused[: max(stages.rerank_depth, rank)]
        hits = stages.reranker.rerank(query, read, len(read)) if read else []
        found.append(_Ranking(_name(stages.reranker), hits, complete and len(read) == len(fused)))
    return found


def _standings(ranking: _Ranking, node: Node, *, last_only: bool) -> list[Standing]:
    """Returns the steps of a node in a list: several where a retriever is itself made of stages."""
    place, hit = next(((at, it) for at, it in enumerate(ranking.hits, 1) if it.node.id == node.id), (None, None))
    if hit is None:
        stage = next((it.trail[-1].stage for it in ranking.hits if it.trail), ranking.stage)
        return [Standing(stage, None, None, len(ranking.hits), ranking.complete)]
    trail = hit.trail or (TrailStep(ranking.stage, place or 1, hit.score),)
    steps = trail[-1:] if last_only else trail
    return [Standing(step.stage, step.rank, float(step.score), len(ranking.hits), ranking.complete) for step in steps]


def _node(snapshot: Snapshot, hit: Hit | Node | str) -> Node:
    node_id = hit.node.id if isinstance(hit, Hit) else hit.id if isinstance(hit, Node) else hit
    chunk_position(snapshot, node_id)
    return snapshot.nodes([node_id])[0]


def _at_rank(hits: Sequence[Hit], rank: int) -> Node:
    if not hits:
        raise InvalidArgumentError("the query has no hit to explain: name a node, to see why it is none")
    if rank > len(hits):
        raise InvalidArgumentError(f"the query has {len(hits)} hits: a rank must be at most that, got {rank}")
    return hits[rank - 1].node


def _leaves(stages: Iterable[object]) -> Iterator[object]:
    """Yields the stages that score by themselves."""
    for stage in stages:
        if isinstance(stage, HybridRetriever):
            yield from _leaves(stage.retrievers)
        else:
            yield stage


def _name(stage: object) -> str:
    return str(getattr(stage, "name", type(stage).__name__))

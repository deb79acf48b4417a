"""A retriever with prepared answers: a test double, and a baseline from a run made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .filters import filter_nodes
from .hit import Hit, check_top_k, ranked
from .retriever import Where

__all__ = ["CannedRetriever"]


class CannedRetriever:
    """Ranks and cuts the hits it was given, under the same rules as a real retriever.

    Scores are those of the given hits. A query without content, or one that the mapping does not hold, has no hits.

    Args:
        hits: The hits of every query, or a mapping from queries to their hits. They are ranked by score, ties by node
            id, whatever their order.
        stage: The stage's name in the trail.
    """

    def __init__(self, hits: Mapping[str, Sequence[Hit]] | Sequence[Hit], *, stage: str = "canned") -> None:
        self._hits = hits
        self._stage = stage
        self.calls: list[tuple[str, int, Where | None]] = []

    def retrieve(self, query: str, top_k: int, where: Where | None = None) -> list[Hit]:
        """Returns the query's prepared hits, best first, and notes the call in `calls`.

        Args:
            query: The question.
            top_k: How many hits at most.
            where: A filter; see `lateral.retrievers.filters`.

        Raises:
            InvalidArgumentError: top_k is below 1, the filter is wrong, or a node was prepared twice for one query.
        """
        check_top_k(top_k)
        self.calls.append((query, top_k, where))
        hits = self._hits.get(query, ()) if isinstance(self._hits, Mapping) else self._hits
        allowed = set(filter_nodes([hit.node for hit in hits], where))
        found = [hit for hit in hits if hit.node in allowed] if query.strip() else []
        return ranked(self._stage, found, top_k=top_k)

"""What can be evaluated on: documents, queries, and what is relevant to each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias, TypeVar

from ...loaders.node import Node
from ..indexing.sources import Source
from .remarks import Remark

__all__ = ["JudgedCorpus", "Qrels", "evenly"]

Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
Item = TypeVar("Item")


class JudgedCorpus(Protocol):
    """A corpus with judgements, whatever it is read from.

    What is judged is a unit: a document, a page, or a passage with the answer. Hits of one unit count once, at the rank
    of the best of them.
    """

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    @property
    def queries(self) -> Mapping[str, str]:
        """The judged queries by id; each has its entry in `qrels`."""
        ...

    @property
    def qrels(self) -> Qrels:
        """For each query the judged units and their grades; a grade above 0 means relevant."""
        ...

    @property
    def answers(self) -> Mapping[str, Sequence[str]]:
        """The expected answers of those queries that have any."""
        ...

    @property
    def unanswerable(self) -> Mapping[str, str]:
        """The queries by id that the documents don't answer; none of them is in `queries`."""
        ...

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What was odd about its files."""
        ...

    @property
    def known_units(self) -> Collection[str]:
        """The judged units whose documents are there to be indexed."""
        ...

    def sources(self) -> Sequence[Source]:
        """Returns the documents, as `RAG.add` takes them."""
        ...

    def unit(self, query: str, node: Node) -> str:
        """Returns the unit that a node stands for when a query is judged.

        Args:
            query: The query's id.
            node: A node of the index.
        """
        ...

    def judged_by(self, query: str) -> Literal["page", "document", "answer", "nothing"]:
        """Returns what a query is judged by; "nothing" for one that can't be answered."""
        ...

    def sampled(self, limit: int) -> JudgedCorpus:
        """Returns the corpus with at most `limit` of its queries, evenly spread; all documents stay."""
        ...

    def places(self, source: str, page: int | None) -> Sequence[str]:
        """Returns the units that a source and page of the index stand for, whatever the query."""
        ...


def evenly(items: Sequence[Item], limit: int) -> list[Item]:
    """Returns at most `limit` of the items, evenly spread and in order: files are often sorted by topic."""
    if limit >= len(items):
        return list(items)
    return [items[at * len(items) // limit] for at in range(limit)]

"""Why a node was found: one shape for every way of matching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..errors import InvalidArgumentError
from ..loaders.node import Node
from .retriever import Side
from .store import Snapshot

__all__ = ["Explaining", "Explanation", "Part", "Spans", "TokenPlacing", "chunk_position"]

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a score.

    Args:
        query_part: Of the query, such as a token.
        node_part: Of the node's text, what it matched; "" where it matched nothing.
        similarity: How well, on the method's own scale.
        share: Of the score, in [0, 1] where all parts are positive.
        spans: Where the node's part stands, as (start, end) offsets into the explanation's text; none where unknown.
        term: What the two were compared as, where that is the spelling of neither, such as a stem.
    """

    query_part: str
    node_part: str
    similarity: float
    share: float
    spans: Spans = ()
    term: str = ""

    def as_dict(self) -> dict[str, object]:
        """Returns the part as JSON values."""
        return {
            "query_part": self.query_part,
            "node_part": self.node_part,
            "similarity": float(self.similarity),
            "share": float(self.share),
            "spans": [list(span) for span in self.spans],
            "term": self.term,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a node's score is made of. A notebook shows it as a picture: the text, shaded, over a table.

    - "bm25": a part is a word of the query and its forms in the node. Similarity: its weight; the weights add up to the
      total. Share: of the total.
    - "leave-one-out": a part is a sentence of the node. Similarity: how far the cosine falls when the sentence is left
      out. Share: of all falls, 0 for a sentence that pulls the cosine down.
    - "maxsim": a part is a token of the query and the node's token that matches it best. Similarity: their cosine.
      Share: of the total.

    Args:
        query: The query.
        node_id: The node's id.
        method: How they were matched.
        parts: In the query's order; sentences in the node's.
        total: The score: the sum of term weights, the cosine, or the sum of similarities.
        text: What was matched: the node's text, under its line of context where it has one.
        rest: The share of the score that is in no part: that of special tokens, such as [MASK].
    """

    query: str
    node_id: str
    method: str
    parts: tuple[Part, ...]
    total: float
    text: str = ""
    rest: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Returns the explanation as JSON values."""
        return {
            "query": self.query,
            "node_id": self.node_id,
            "method": self.method,
            "total": float(self.total),
            "rest": float(self.rest),
            "text": self.text,
            "parts": [part.as_dict() for part in self.parts],
        }

    def _repr_html_(self) -> str:
        """Returns the picture as HTML that loads nothing; see `lateral.retrievers.shading`."""
        from .shading import picture

        return picture(self)


@runtime_checkable
class Explaining(Protocol):
    """What can say why it found a node: optional for a retriever, and for a reranker."""

    def explain(self, query: str, node: Node) -> Explanation:
        """Returns what the node's score for the query is made of."""
        ...


@runtime_checkable
class TokenPlacing(Protocol):
    """A `TokenEncoder` that knows where its tokens stand: optional, for shading a text."""

    def spans(self, text: str, side: Side) -> Sequence[Spans]:
        """Returns where in the text each row of its matrix stands; none for a row that stands for no part of it."""
        ...


def chunk_position(snapshot: Snapshot, node_id: str) -> int:
    """Returns a chunk's place in `Snapshot.chunk_ids`.

    Raises:
        InvalidArgumentError: The index has no chunk of this id.
    """
    import numpy as np

    ids = snapshot.chunk_ids()
    wanted = np.bytes_(node_id.encode("utf-8", "replace"))
    place = int(np.searchsorted(ids, wanted)) if len(ids) else 0
    if place == len(ids) or ids[place] != wanted:
        raise InvalidArgumentError(
            f"the index at '{snapshot.folder}' has no chunk with the id {node_id!r:.80}: give a hit of a search of it"
        )
    return place

"""Why a node was found: one shape for every way of matching."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Explanation", "Part"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a score.

    Args:
        query_part: Of the query, such as a token.
        node_part: Of the node's text, what it matched.
        similarity: How well, on the method's own scale.
        share: Of the score, in [0, 1] where all parts are positive.
    """

    query_part: str
    node_part: str
    similarity: float
    share: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a node's score is made of. A notebook shows it as a table.

    Args:
        query: The query.
        node_id: The node's id.
        method: How they were matched, such as "maxsim".
        parts: In the query's order.
        total: The score.
    """

    query: str
    node_id: str
    method: str
    parts: tuple[Part, ...]
    total: float

    def _repr_html_(self) -> str:
        """Returns a table with a bar for each part's share of the score."""
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(part.query_part)}</td><td>{escape(part.node_part)}</td><td>{part.similarity:.3f}</td>"
            f'<td><div style="background:#4c78a8;height:0.8em;width:{max(0.0, min(part.share, 1.0)) * 20:.2f}em"></div>'
            "</td></tr>"
            for part in self.parts
        )
        head = "<tr><th>query</th><th>node</th><th>similarity</th><th>share of the score</th></tr>"
        return f"<table>{head}{rows}</table><p>{escape(self.method)}: {self.total:.3f}</p>"

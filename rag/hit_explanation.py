"""Why a hit was found: where it stood at every stage, and what each stage's score is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..loaders.node import Node
from ..retrievers.explanation import Explanation
from ..retrievers.shading import html_box, html_page, html_table, html_text, picture
from .prompt import source_name

__all__ = ["HitExplanation", "Standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a node stands in the list of one stage.

    Args:
        stage: The stage's name.
        rank: From 1; None where the list does not have the node.
        score: On the stage's own scale; None as the rank.
        listed: How many hits the list has.
        complete: Whether that is all: otherwise a node that is not listed may stand further down.
    """

    stage: str
    rank: int | None
    score: float | None
    listed: int
    complete: bool

    def __str__(self) -> str:
        if self.rank is not None:
            return f"{self.rank} of {self.listed}" if self.complete else f"{self.rank} of the first {self.listed}"
        if not self.complete:
            return f"not among the first {self.listed}"
        return f"no hit (of {self.listed})" if self.listed else "no hits"


@dataclass(frozen=True, slots=True)
class HitExplanation:
    """Why a node was found, or was not. A notebook shows it as a picture.

    Args:
        query: The query.
        node: The node.
        path: Where it stands: in each retriever's list, then in the fused one, then in the reranker's.
        explanations: What its score is made of, by stage: for each that can tell. Not to be changed.
    """

    query: str
    node: Node
    path: tuple[Standing, ...]
    explanations: Mapping[str, Explanation]

    def as_dict(self) -> dict[str, object]:
        """Returns the explanation as JSON values: query, id, source, page, text, path and explanations."""
        return {
            "query": self.query,
            "id": self.node.id,
            "source": self.node.source,
            "page": self.node.page,
            "text": self.node.text,
            "path": [
                {name: getattr(step, name) for name in ("stage", "rank", "score", "listed", "complete")}
                for step in self.path
            ],
            "explanations": {stage: it.as_dict() for stage, it in self.explanations.items()},
        }

    def as_html(self) -> str:
        """Returns the picture as a whole page, to be written to a file in UTF-8; it loads nothing."""
        return html_page(f"Why “{self.query}” found {source_name(self.node.source)}", self._repr_html_())

    def _repr_html_(self) -> str:
        """Returns the picture: the path as a table, then each stage's text, shaded."""
        place = source_name(self.node.source) + ("" if self.node.page is None else f", page {self.node.page}")
        rows = [
            [html_text(step.stage), html_text(str(step)), "" if step.score is None else f"{step.score:.4f}"]
            for step in self.path
        ]
        heading = (
            f'<div style="font-size:16px;font-weight:600">{html_text(self.query)}</div>'
            f'<div style="margin:0 0 8px">{html_text(place)}</div>'
        )
        path = html_table(("stage", "rank", "score"), rows, numbers=[2])
        pictures = "".join(
            f'<div style="margin-top:14px">{picture(it, stage=stage)}</div>' for stage, it in self.explanations.items()
        )
        return html_box(f"{heading}{path}{pictures}")

"""The answer: its text, its checked citations, and what it was made from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..llm.settings import Usage
from ..retrievers.hit import Hit
from .citing.citations import Citation
from .context import Passage
from .plain_markdown import BARE_ADDRESS, entity, plain_markdown
from .prompt import source_name

__all__ = ["Answer", "citation_as_dict", "hit_as_dict"]

# What a document smuggles in must load nothing and lead nowhere: tags, <addresses>, images, links, their definitions.
# No link or image does without "](" or "]:". Each becomes an entity, without a backslash before it to undo that.
_ACTIVE = re.compile(rf"((?<!\\)\\*+)(<(?=[A-Za-z/!?])|!(?=\[)|\](?=[(:])|{BARE_ADDRESS})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its sources. A notebook shows it as Markdown.

    Args:
        question: What was asked.
        text: The answer's text, with its markers ([1]).
        citations: One a (claim, number) pair, in the text's order.
        hits: What was retrieved, best first.
        passages: What the answer was made from; citations name their `n`.
        degraded: What did not work and was done without: "generator" where the chat model could not be had and the
            answer is the passages, or ends early.
        usage: The tokens that the chat model took, None where none was asked; zeros where its server does not count.
    """

    question: str
    text: str
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    passages: tuple[Passage, ...]
    degraded: tuple[str, ...] = ()
    usage: Usage | None = None

    def as_dict(self) -> dict[str, object]:
        """Returns the answer as JSON values: answer, citations, hits and degraded."""
        return {
            "answer": self.text,
            "citations": [citation_as_dict(citation) for citation in self.citations],
            "hits": [hit_as_dict(hit) for hit in self.hits],
            "degraded": list(self.degraded),
        }

    def _repr_markdown_(self) -> str:
        """Returns the answer and its sources as Markdown.

        Emphasis, lists and code of the answer are rendered. HTML, images, links and addresses are shown as they are
        written, also inside the quotes of documents, and nothing is loaded. Formulas are left to the notebook.
        """
        text = _ACTIVE.sub(lambda match: match[1][: len(match[1]) // 2 * 2] + entity(match[2]), self.text)
        lines = dict.fromkeys(_source_line(citation) for citation in self.citations)
        notes = [f"- {plain_markdown(note)}" for note in self.degraded]
        parts = [text, "\n".join(lines), "\n".join(["**Degraded**", "", *notes]) if notes else ""]
        return "\n\n".join(part for part in parts if part)


def citation_as_dict(citation: Citation) -> dict[str, object]:
    """Returns the citation as JSON values."""
    return {
        "n": citation.n,
        "document_id": citation.document_id,
        "source": citation.source,
        "page": citation.page,
        "quote": citation.quote,
        "boxes": [list(box) for box in citation.boxes],
        "supported": citation.supported,
    }


def hit_as_dict(hit: Hit) -> dict[str, object]:
    """Returns the hit as JSON values: id, document_id, source, page, score, text and trail."""
    node = hit.node
    return {
        "id": node.id,
        "document_id": node.document_id,
        "source": node.source,
        "page": node.page,
        "score": float(hit.score),
        "text": node.text,
        "trail": [{"stage": step.stage, "rank": step.rank, "score": float(step.score)} for step in hit.trail],
    }


def _source_line(citation: Citation) -> str:
    mark = "✓" if citation.supported else "✗"
    if citation.source is None:
        return f"- {mark} [{citation.n}] no such passage"
    page = "" if citation.page is None else f", page {citation.page}"
    quote = f": “{plain_markdown(citation.quote)}”" if citation.quote else ""
    return f"- {mark} [{citation.n}] {plain_markdown(source_name(citation.source))}{page}{quote}"

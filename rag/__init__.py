"""The pipeline: documents into an index, a question to an answer with checked citations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .answer import Answer
    from .citing.citations import Citation
    from .context import Passage
    from .generators.generator import Generator
    from .hit_explanation import HitExplanation
    from .indexing.report import AddReport
    from .pipeline import RAG
    from .stream import AnswerStream

__all__ = ["RAG", "AddReport", "Answer", "AnswerStream", "Citation", "Generator", "HitExplanation", "Passage"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "RAG": "pipeline",
        "AddReport": "indexing.report",
        "Answer": "answer",
        "AnswerStream": "stream",
        "Citation": "citing.citations",
        "Generator": "generators.generator",
        "HitExplanation": "hit_explanation",
        "Passage": "context",
    },
)

"""The pipeline: documents into an index, a question to an answer with checked citations."""

from .answer import Answer
from .citing.citations import Citation
from .context import Passage
from .generators.generator import Generator
from .hit_explanation import HitExplanation
from .indexing.report import AddReport
from .pipeline import RAG
from .stream import AnswerStream

__all__ = ["RAG", "AddReport", "Answer", "AnswerStream", "Citation", "Generator", "HitExplanation", "Passage"]

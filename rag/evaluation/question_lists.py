"""Documents that are lists of the questions: they find themselves, and what is measured with them is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from html import unescape
from pathlib import Path

from ...loaders.files import SourceFile
from .corpus import evenly
from .word_match import holds_words

__all__ = ["question_lists"]

LOOKED_FOR = 5  # questions, evenly spread: who holds most of them by chance holds what they are made of
FEWEST = 3  # with fewer nothing is told from chance
PLAIN_FORMATS = frozenset({"text", "markdown", "html"})  # what lists of questions are written in, JSON and CSV among it
LARGEST_BYTES = 4_000_000  # of a list of some ten thousand


def question_lists(files: Sequence[SourceFile], questions: Sequence[str]) -> list[str]:
    """Returns the paths of documents that hold most of the questions word for word, such as the list for a reviewer.

    Args:
        files: The documents, without those that are right for some question: a page of frequent questions is no list.
        questions: What is asked.
    """
    sought = evenly(questions, LOOKED_FOR)
    if len(sought) < FEWEST:
        return []
    return [
        file.path
        for file in files
        if file.format in PLAIN_FORMATS and file.size <= LARGEST_BYTES and _share(Path(file.path), sought) > 0.5
    ]


def _share(path: Path, sought: Sequence[str]) -> float:
    try:
        text = unescape(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:  # it is reported when it is indexed
        return 0.0
    return sum(holds_words(text, question) for question in sought) / len(sought)

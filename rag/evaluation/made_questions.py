"""Questions that were made from a folder: as the file that `lateral evaluate` reads, and as a list for a person."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from ...output_file import check_free, write_file
from ...retrievers.shading import html_page, html_table, html_text
from ..plain_markdown import plain_markdown

__all__ = ["REVIEW_SUFFIXES", "Kind", "MadeQuestion", "MadeQuestions", "write_questions", "write_review"]

Kind: TypeAlias = Literal["sentence", "heading", "title", "caption", "llm"]
HEADS = ("keep", "line", "question", "from", "passage")
REVIEW_SUFFIXES = (".md", ".html")
PASSAGE_CHARS = 400  # of a passage in the list: what a person needs to judge a question


@dataclass(frozen=True, slots=True)
class MadeQuestion:
    """One question, and where it must find its answer.

    Args:
        question: What is asked.
        file: The file's path below the folder.
        page: From 1; None where the whole file is right.
        kind: What it was made from.
        answer: The sentence that answers it, "" where none does.
        passage: What a person compares it with.
    """

    question: str
    file: str
    page: int | None
    kind: Kind
    answer: str
    passage: str

    def as_dict(self) -> dict[str, object]:
        """Returns a row of the questions file."""
        page = {} if self.page is None else {"page": self.page}
        answer = {"answer": self.answer} if self.answer else {}
        return {"question": self.question, "file": self.file, **page, **answer, "kind": self.kind}


@dataclass(frozen=True, slots=True)
class MadeQuestions:
    """What was made, and what was left out.

    Args:
        questions: In the order of files and pages.
        dropped: How many were left out, by reason.
    """

    questions: tuple[MadeQuestion, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def by_kind(self) -> dict[str, int]:
        """How many there are of each kind."""
        return dict(Counter(it.kind for it in self.questions))


def write_questions(path: Path, questions: Sequence[MadeQuestion], *, force: bool = False) -> None:
    """Writes questions as JSONL with question, file, page, answer and kind, as `read_questions` takes them.

    Args:
        path: The file.
        questions: In the order of the lines.
        force: Whether a file that is there is replaced.

    Raises:
        InvalidArgumentError: It can't be written, or is there.
    """
    write_file(path, "".join(json.dumps(it.as_dict()) + "\n" for it in questions), force=force, flag="--out")


def write_review(path: Path, questions: Sequence[MadeQuestion], *, named: str, force: bool = False) -> None:
    """Writes a list for a person to check: a box to tick, the line in the questions file, the question, the passage.

    Args:
        path: A file that ends in .md or .html.
        questions: As they stand in the questions file.
        named: The questions file's name.
        force: Whether a file that is there is replaced.

    Raises:
        InvalidArgumentError: It can't be written, is there, or ends otherwise.
    """
    check_free(path, force=force, flag="--review", suffixes=REVIEW_SUFFIXES)
    how = f"Does the passage answer the question, and no other page as well? If not, delete its line from {named}."
    rows = [
        (str(line), it.question, it.file if it.page is None else f"{it.file}, page {it.page}", _short(it.passage))
        for line, it in enumerate(questions, start=1)
    ]
    text = _as_html(how, rows) if path.suffix.lower() == ".html" else _as_markdown(how, rows)
    write_file(path, text, force=force, flag="--review")


def _as_markdown(how: str, rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(HEADS)} |", f"|{' --- |' * len(HEADS)}"]
    lines += [f"| [ ] | {' | '.join(map(plain_markdown, row))} |" for row in rows]
    return "\n".join(["# Questions to check", "", plain_markdown(how), "", *lines, ""])


def _as_html(how: str, rows: Sequence[Sequence[str]]) -> str:
    cells = [['<input type="checkbox">', *map(html_text, row)] for row in rows]
    return html_page("Questions to check", f"<p>{html_text(how)}</p>{html_table(HEADS, cells, numbers=[1])}")


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= PASSAGE_CHARS else f"{one_line[: PASSAGE_CHARS - 1].rstrip()}…"

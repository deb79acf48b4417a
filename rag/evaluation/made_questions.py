"""Questions that were made from a folder: as the file that `lateral evaluate` reads, and as a list for a person."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from ...errors import InvalidArgumentError
from ...retrievers.shading import html_page, html_table, html_text, shown_text

__all__ = ["Kind", "MadeQuestion", "MadeQuestions", "check_free", "write_questions", "write_review"]

Kind: TypeAlias = Literal["sentence", "heading", "title", "caption", "llm"]
HEADS = ("keep", "line", "question", "from", "passage")
REVIEW_SUFFIXES = (".md", ".html")
PASSAGE_CHARS = 400  # of a passage in the list: what a person needs to judge a question
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$])")


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


def check_free(path: Path, *, force: bool, flag: str, suffixes: Sequence[str] = ()) -> None:
    """Raises where a file can't be written before anything expensive is done.

    Args:
        path: The file.
        force: Whether one that is there may be replaced.
        flag: The option that names it, for the error.
        suffixes: What its name must end with; empty for anything.

    Raises:
        InvalidArgumentError: It is there already, its folder is missing, or its name ends otherwise.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        raise InvalidArgumentError(f"{flag} writes {' or '.join(suffixes)}, got {path.name!r:.80}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InvalidArgumentError(f"{str(path)!r} can't be written: name a file in a folder that is there")
    if not force and (path.exists() or path.is_symlink()):
        raise InvalidArgumentError(
            f"{str(path)!r} is there already: name another file with {flag}, or add --force to replace it"
        )


def write_questions(path: Path, questions: Sequence[MadeQuestion], *, force: bool = False) -> None:
    """Writes questions as JSONL with question, file, page, answer and kind, as `read_questions` takes them.

    Args:
        path: The file.
        questions: In the order of the lines.
        force: Whether a file that is there is replaced.

    Raises:
        InvalidArgumentError: It can't be written, or is there.
    """
    _write(path, "".join(json.dumps(it.as_dict()) + "\n" for it in questions), force=force, flag="--out")


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
    _write(path, text, force=force, flag="--review")


def _as_markdown(how: str, rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(HEADS)} |", f"|{' --- |' * len(HEADS)}"]
    lines += [f"| [ ] | {' | '.join(map(_plain, row))} |" for row in rows]
    return "\n".join(["# Questions to check", "", _plain(how), "", *lines, ""])


def _as_html(how: str, rows: Sequence[Sequence[str]]) -> str:
    cells = [['<input type="checkbox">', *map(html_text, row)] for row in rows]
    return html_page("Questions to check", f"<p>{html_text(how)}</p>{html_table(HEADS, cells, numbers=[1])}")


def _plain(text: str) -> str:
    """Returns a text that Markdown shows letter by letter, in one line: files may hold links and markup."""
    return _MARKUP.sub(r"\\\1", " ".join(shown_text(text).split()))


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= PASSAGE_CHARS else f"{one_line[: PASSAGE_CHARS - 1].rstrip()}…"


def _write(path: Path, text: str, *, force: bool, flag: str) -> None:
    check_free(path, force=force, flag=flag)
    try:
        with path.open("w" if force else "x", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(text)
    except OSError as err:
        raise InvalidArgumentError(
            f"{str(path)!r} can't be written ({err.strerror or err}): name another file with {flag}"
        ) from err

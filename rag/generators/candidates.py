"""What could be quoted of the passages, and what each quote looks like in an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..citing.lexical import content_stems
from ..citing.quotable import Quotable, quotables
from ..citing.verbatim import FENCE
from .identifiers import Identifier, speak_of

__all__ = ["Candidate", "find_candidates", "quoted"]

QUOTE_MARKS = ("“”", "«»", "「」", "『』")  # of those that `parse_claims` reads, the ones whose ends differ
STRAIGHT = '"'
_FENCE = re.compile(rf"[ \t]*{FENCE}[ \t]*")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that could be quoted: its passage's number, its place there, its text with whitespace folded.

    A table's row comes with the lines of its header, which say what its figures mean. `shown` is what the quote holds:
    of a sentence that introduces a list, the list as well, up to the offset `stop`.
    """

    n: int
    place: int
    start: int
    stop: int
    text: str
    shown: str
    header: tuple[str, ...]
    stems: frozenset[str]

    @property
    def table(self) -> tuple[int, tuple[str, ...]]:
        """Which table a row belongs to."""
        return self.n, self.header

    @property
    def meant(self) -> str:
        """What the sentence says, to compare it with the question."""
        return " ".join([*self.header, self.text])

    def overlaps(self, other: Candidate) -> bool:
        """Whether the two quotes share text of one passage."""
        return self.n == other.n and self.start < other.stop and other.start < self.stop


def find_candidates(number: int, text: str, asked: Sequence[Identifier] = ()) -> list[Candidate]:
    """Returns what can be quoted of a passage, in order; see `lateral.rag.citing.quotable.quotables`.

    Args:
        number: The passage's number.
        text: Its text.
        asked: The question's identifiers: what is about another of their kind is left out.
    """
    found = [_candidate(number, place, text, found) for place, found in enumerate(quotables(text))]
    about = speak_of(asked, text, [(one.start, one.stop) for one in found])
    return [one for one, kept in zip(found, about, strict=True) if kept]


def _candidate(number: int, place: int, text: str, found: Quotable) -> Candidate:
    sentence = " ".join(_without_fences(text[found.start : found.end]).split())
    shown = sentence if found.through is None else _with_lines(text[found.start : found.through])
    above = text[slice(*found.header)].split("\n") if found.header else []
    # A line of marks alone, such as a rule, is no quote that stands anywhere.
    header = tuple(" ".join(line.split()) for line in above if any(char.isalnum() for char in line))
    stems = frozenset(content_stems(" ".join([*header, sentence])))
    return Candidate(number, place, found.start, found.through or found.end, sentence, shown, header, stems)


def _without_fences(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not _FENCE.fullmatch(line))


def _with_lines(text: str) -> str:
    """Returns a quote that keeps its lines: a blank one would end it, and code that was cut open is closed.

    Fences get lines of their own, and so does what stands behind a table's last row: Markdown asks for that.
    """
    lines = [line.rstrip() for line in text.split("\n") if line.strip()]
    fences = [line.strip()[:3] for line in lines if _FENCE.fullmatch(line)]
    if len(fences) % 2:
        cut_before = _FENCE.fullmatch(lines[-1])
        lines.insert(0 if cut_before else len(lines), fences[-1])
    before = "\n" if _FENCE.fullmatch(lines[0]) else ""
    after = "\n" if _FENCE.fullmatch(lines[-1]) or lines[-1].lstrip().startswith("|") else ""
    return before + "\n".join(lines) + after


def quoted(sentence: str) -> str:
    """Returns the sentence in quote marks that its own marks can't close early.

    One that holds some of every pair (a grammar of quote marks) has its own curly ones written straight.
    """
    for pair in QUOTE_MARKS:
        if not any(mark in sentence for mark in pair):
            return f"{pair[0]}{sentence}{pair[1]}"
    return f"“{sentence.replace('“', STRAIGHT).replace('”', STRAIGHT)}”"

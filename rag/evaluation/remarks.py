"""What was odd about a corpus: counted while it is read, said with the result."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Remark", "RemarkCounter"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One kind of oddity.

    Args:
        kind: Its name in JSON, such as "duplicate_documents".
        count: How often it was met.
        words: What it is and what was done about it, for a person.
        first: Where it was met first, such as "qrels/test.tsv, line 3".
    """

    kind: str
    count: int
    words: str
    first: str

    def __str__(self) -> str:
        return f"{self.count:,} {self.words} (first: {self.first})"


class RemarkCounter:
    """Counts oddities by kind; `remarks` gives one of each."""

    def __init__(self) -> None:
        self._found: dict[str, Remark] = {}

    def note(self, kind: str, words: str, where: str, *, count: int = 1) -> None:
        """Counts one more of a kind; the words and the place are those of the first."""
        known = self._found.get(kind) or Remark(kind, 0, words, where)
        self._found[kind] = Remark(kind, known.count + count, known.words, known.first)

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """One remark a kind, in the order in which the kinds were met."""
        return tuple(self._found.values())

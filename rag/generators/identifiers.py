"""Identifiers in a question, as PX-217 or ERR_4711, and the passages that an answer about them may come from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Identifier", "identifiers", "passage_tiers", "speak_of", "without_codes"]

# A token with a digit behind a letter; of several parts that begins with a digit only one with capitals ("6204-2RS");
# words joined by "_". "20th", "1990s", "3rd-and-9", "30m" and "5GB" are none: they say when and how much.
_TOKEN = re.compile(r"[^\W_]+(?:[-‑_./:][^\W_]+)*")
_LETTERS_THEN_DIGIT = re.compile(r"[^\W\d_].*\d")
_SERIES = re.compile(r"\b[^\W\d_]{2,} \d+\b")  # "RFC 2119", where the word is in capitals
_PHRASE = re.compile(r"(?<![\w\"])\"(?=\w)([^\"\n]+)(?<!\s)\"(?!\w)|“([^“”\n]+)”|«([^«»\n]+)»")
_RUN = re.compile(r"\d+|[^\W\d_]+")
_CLOSE_MARK = r"[-‑–_./:]"
_MARK = r"[-‑–_./:\s]"  # it may be missing between letters and digits: "PX-217", "PX 217" and "px217" are one

MAX_CHARS = 100  # a longer token is no name of anything, and a pattern made of it is slow
MAX_IDENTIFIERS = 20  # of a pasted log only the first: each is looked for in each passage


class Identifier(NamedTuple):
    """What a question names to the letter.

    Args:
        exact: Finds it in a text, however its letters and digits are joined.
        kind: Finds those that differ from it in their digits alone; None for a quoted phrase.
    """

    exact: re.Pattern[str]
    kind: re.Pattern[str] | None


def identifiers(question: str) -> list[Identifier]:
    """Returns the codes and quoted phrases of a question, each once, the codes first: at most `MAX_IDENTIFIERS`.

    Args:
        question: Any text. What is longer than `MAX_CHARS` is none. In a question of capitals alone neither is
            "RFC 2119": "IN 2019" looks the same.
    """
    tokens = (match[0] for match in _TOKEN.finditer(question))
    codes = [token for token in tokens if len(token) <= MAX_CHARS and _is_code(token)]
    codes += [] if question.isupper() else [it[0] for it in _SERIES.finditer(question) if it[0].split()[0].isupper()]
    found = dict(_patterns(code) for code in codes if len(code) <= MAX_CHARS)
    for phrase in (next(filter(None, match.groups())) for match in _PHRASE.finditer(question)):
        words = re.findall(r"\w+", phrase.lower()) if len(phrase) <= MAX_CHARS else []
        if words:
            together = r"\W+".join(map(re.escape, words))
            found.setdefault(f"(?i:{together})", None)
    return [
        Identifier(_whole(exact), None if kind is None else _whole(kind))
        for exact, kind in list(found.items())[:MAX_IDENTIFIERS]
    ]


def passage_tiers(asked: Sequence[Identifier], texts: Sequence[str]) -> list[set[int]]:
    """Returns which passages an answer may come from, as positions, the tier to try first in front.

    First those that hold the most of the identifiers, then those that hold none. A passage about another identifier of
    the kind is in no tier: a page on PX-216 does not answer for PX-217, however alike they are. Without identifiers,
    or where no passage holds one, all passages are one tier; `speak_of` judges their sentences.

    Args:
        asked: The question's identifiers.
        texts: The passages' texts.
    """
    held = [sum(one.exact.search(text) is not None for one in asked) for text in texts]
    if not any(held):
        return [set(range(len(texts)))]
    rivals = [any(one.kind is not None and one.kind.search(text) for one in asked) for text in texts]
    most = {at for at, count in enumerate(held) if count == max(held)}
    return [most, {at for at, count in enumerate(held) if not count and not rivals[at]}]


def speak_of(asked: Sequence[Identifier], text: str, spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Returns whether each stretch of a passage is about what is asked, and not about another identifier of the kind.

    A stretch is about the identifiers in it; without one about the last before it since the stretch before; without
    that about the same as the stretch before. Where the text begins without one, it is about what is asked unless it
    goes on to another.

    Args:
        asked: The question's identifiers.
        text: The passage's text.
        spans: The (start, end) offsets of the stretches, in order.
    """
    mentions = sorted(
        (match.start(), one.exact.fullmatch(match[0]) is not None)
        for one in asked
        if one.kind is not None
        for match in one.kind.finditer(text)
    )
    found: list[bool] = []
    state, done = all(wanted for _, wanted in mentions), 0
    for start, end in spans:
        inside = [wanted for at, wanted in mentions if start <= at < end]
        between = [wanted for at, wanted in mentions if done <= at < start]
        state = any(inside) if inside else (between or [state])[-1]
        found.append(state)
        done = end
    return found


def without_codes(question: str) -> str:
    """Returns the question without the codes in it, for the passages that are known to hold them.

    A quoted phrase stays: it says more than which passage to read.
    """
    bare = question
    for one in identifiers(question):
        if one.kind is not None:
            bare = one.exact.sub(" ", bare)
    return bare


def _is_code(token: str) -> bool:
    if "_" in token:
        return any(map(str.isalpha, token))
    if token[0].isdigit() and not token.isalnum():
        return any(map(str.isupper, token))
    return _LETTERS_THEN_DIGIT.search(token) is not None


def _patterns(code: str) -> tuple[str, str | None]:
    """Returns what matches the code, and what matches it with any digits.

    The second reads a space as a joint behind capitals alone: for AS-206, "AS 208" is one of its kind, "as 3" is none.
    """
    runs = _RUN.findall(code.lower())
    any_digits = [r"\d+" if run.isdigit() else re.escape(run) for run in runs]
    exact = _joined(runs, list(map(re.escape, runs)), _MARK)
    capitals = _joined(runs, [part.upper() if part != r"\d+" else part for part in any_digits], _MARK)
    return f"(?i:{exact})", f"(?:(?i:{_joined(runs, any_digits, _CLOSE_MARK)})|{capitals})"


def _joined(runs: Sequence[str], parts: Sequence[str], mark: str) -> str:
    joints = [mark if one.isdigit() == other.isdigit() else f"{mark}?" for one, other in pairwise(runs)]
    return "".join(part + joint for part, joint in zip(parts, [*joints, ""], strict=True))


def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_]){pattern}(?![^\W_])")

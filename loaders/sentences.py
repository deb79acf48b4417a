"""Where sentences begin and end, in one linear pass."""

from __future__ import annotations

import re

__all__ = ["split_sentences"]

# Possessive runs that always match: a failing look-ahead behind them would make "....." quadratic.
_BORDER = re.compile(
    r"""
    (?P<blank> \n[^\S\n]*+\n\s*+ )
  | (?P<block> \n(?=[^\S\n]*(?:\#{1,6}[ \t]|[-*+•][ \t]|\d{1,3}[.)][ \t]|\|)) )
  | (?P<run> [.!?。！？…।؟۔｡．]++ ) (?P<closers> ["'”’»›)\]}」』）】*_`]*+ )
    """,
    re.VERBOSE,
)
_NON_SPACE = re.compile(r"\S")
_WIDE = frozenset("。！？｡．")  # their glyph brings its own space, so none follows
_OPENERS = "([{\"'“‘«*_`"
_LOOK_BACK = 12  # longer than every abbreviation

_TITLE_WORDS = (
    "dr mr mrs ms prof rev hon st gen col sgt capt lt pres gov sen rep messrs mme mlle fig figs tab eq eqs sec ch art "
    "vol vols pp ed eds cf vs al approx ca resp e.g i.e eg ie viz incl mt ft dept univ ph.d bzw z.b d.h vgl"
)
_SOFT_WORDS = "etc inc ltd co corp jr sr a.m p.m jan feb mar apr jun jul aug sep sept oct nov dec ave blvd"
_TITLES = frozenset(_TITLE_WORDS.split())  # their period never ends a sentence
_SOFT = frozenset(_SOFT_WORDS.split())  # their period ends a sentence unless a small letter follows
# The period of these belongs to a number, if one follows: "No. 7", but "No. I won't."
_BEFORE_NUMBERS = frozenset({"no", "nos", "nr", "p", "para", "app", "chap"})


def split_sentences(text: str) -> list[tuple[int, int]]:
    r"""Returns where the sentences of a text begin and end, in order, as (start, end) offsets.

    The spans are trimmed, never empty, never overlap, and leave out nothing but whitespace. A sentence ends behind a
    terminator and its closing quotes and brackets, where whitespace follows (behind a CJK terminator none is needed),
    but not behind an abbreviation, an initial, or the number of a list item. A blank line always ends one. A single
    newline is a space, except before a Markdown heading, list item or table row.

    Args:
        text: Plain text or Markdown with "\n" line ends. Time is linear in its length, whatever it holds.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _BORDER.finditer(text):
        if match.lastgroup == "closers" and not _ends_sentence(text, match):
            continue
        _append(spans, text, start, match.end())
        start = match.end()
    _append(spans, text, start, len(text))
    return spans


def _append(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    first = _NON_SPACE.search(text, start, end)
    if first is not None:
        begin = first.start()
        spans.append((begin, begin + len(text[begin:end].rstrip())))


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    run, end = match["run"], match.end()
    if not _WIDE.isdisjoint(run):
        return True
    if end < len(text) and not text[end].isspace():
        return False
    ahead = _NON_SPACE.search(text, end)
    following = ahead[0] if ahead else ""
    if (len(run) > 1 or run == "…" or match["closers"]) and following.islower():
        return False  # "Well... maybe", '"Really?" he asked'
    return run != "." or not _is_abbreviation(text, match.start(), following)


def _is_abbreviation(text: str, period: int, following: str) -> bool:
    seen = text[max(0, period - _LOOK_BACK) : period]
    line = seen.rpartition("\n")[2]
    before = line.rpartition(" ")[2]
    word = before.lstrip(_OPENERS)
    if not word or len(before) == _LOOK_BACK:
        return False
    if word.isdigit():
        begins_line = line != seen or period <= _LOOK_BACK
        return len(word) <= 3 and begins_line and line.strip() == word  # of a list item
    if len(word) == 1:
        return word.isalpha() and word.isupper()
    lowered = word.lower()
    if lowered in _BEFORE_NUMBERS:
        return following.isdigit()
    if lowered in _SOFT or (len(word) <= 5 and word[-2] == "." and word.isupper()):
        return following.islower()
    return lowered in _TITLES

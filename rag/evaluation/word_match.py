"""Whether the words of an answer stand in a text, one after another and whole."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

__all__ = ["holds_words", "split_words", "stand_in"]

_DASHES = str.maketrans(dict.fromkeys("−–‐‑", "-"))  # a minus, a range's dash and two hyphens: typography, not content
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"  # no spaces stand between words of these: each is one
# What belongs to a number stays with it: the sign, the point or comma in it, and the hyphen before it, so that 5.5, -5,
# 2020-21 and covid-19 are one word each, and 5 is none of theirs.
_WORD = re.compile(rf"[{_CJK}]|(?:-(?=\.?\d))?(?:\.(?=\d))?[^\W{_CJK}]+(?:(?:(?<=\d)[.,](?=\d)|-(?=\d))[^\W{_CJK}]+)*")


def split_words(text: str) -> list[str]:
    """Returns the words of a text, case folded, without what stands between them.

    A number is a word as it is written: 1,000 and 1000 are two, since 1,000 is one thousand here and one elsewhere.
    """
    return _WORD.findall(_folded(text))


def stand_in(wanted: Sequence[str], words: Sequence[str]) -> bool:
    """Returns whether words stand one after another among others; none stand in nothing.

    Args:
        wanted: The words that are looked for.
        words: Where.
    """
    count = len(wanted)
    return count > 0 and any(
        words[at : at + count] == wanted for at, word in enumerate(words[: len(words) - count + 1]) if word == wanted[0]
    )


def holds_words(text: str, wanted: str) -> bool:
    """Returns whether a text holds what is wanted, word by word.

    Args:
        text: Such as a passage.
        wanted: Such as an answer. One without a word, such as "±", is looked for letter by letter.
    """
    words, folded = split_words(wanted), _folded(text)
    if not words:
        signs = " ".join(_folded(wanted).split())
        return bool(signs) and signs in " ".join(folded.split())
    return all(word in folded for word in words) and stand_in(words, _WORD.findall(folded))  # the first is quick


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold().translate(_DASHES)

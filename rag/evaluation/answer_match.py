"""How near an answer's words are to an expected answer's."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from .word_match import split_words, stand_in

__all__ = ["contains_answer", "exact_match", "token_f1"]

_MARKER = re.compile(r"\[\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*\]|【\d{1,3}[^】\n]{0,80}】")
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation + "“”„‘’‚«»…–—", ""))


def exact_match(answer: str, expected: Sequence[str]) -> float:
    """Returns 1 where the answer is one of those expected, else 0.

    Compared are words: case, punctuation, articles, extra whitespace and citations like [1] are left out. Punctuation
    goes from numbers too, as SQuAD's own script has it: "5.5" equals "55".

    Args:
        answer: The answer's text.
        expected: The answers that are right, at least one.

    Source:
        Rajpurkar et al. 2016, SQuAD, section 6.1. Curly quotes, dashes and citations go too, here.
    """
    return float(any(_words(answer) == _words(one) for one in expected))


def token_f1(answer: str, expected: Sequence[str]) -> float:
    """Returns the F1 of the answer's words against those of the expected answer that it is nearest to, in [0, 1].

    Words are those of `exact_match`.

    Args:
        answer: The answer's text.
        expected: The answers that are right, at least one.

    Source:
        Rajpurkar et al. 2016, SQuAD, section 6.1.
    """
    return max(_f1(_words(answer), _words(one)) for one in expected)


def contains_answer(answer: str, expected: Sequence[str]) -> float:
    """Returns 1 where the words of an expected answer stand in the answer one after another, else 0.

    An answer that quotes a whole sentence is not exact, and may well be right. Other than for the measures above, words
    are those of `lateral.rag.evaluation.word_match`: 5.5 is a number of its own.

    Args:
        answer: The answer's text.
        expected: The answers that are right, at least one.
    """
    said = _whole_words(answer)
    return float(any(stand_in(_whole_words(one), said) for one in expected))


def _words(text: str) -> list[str]:
    plain = _MARKER.sub(" ", text).casefold().translate(_PUNCTUATION)
    return _ARTICLE.sub(" ", plain).split()


def _whole_words(text: str) -> list[str]:
    return [word for word in split_words(_MARKER.sub(" ", text)) if not _ARTICLE.fullmatch(word)]


def _f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    if not said or not wanted:
        return float(list(said) == list(wanted))
    shared = sum((Counter(said) & Counter(wanted)).values())
    return 2 * shared / (len(said) + len(wanted))

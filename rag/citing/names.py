"""The names of a claim: whether the passage that it cites has them too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..context import Passage
from ..prompt import source_name
from .lexical import STOPWORDS, capitalised, split_words, stems

__all__ = ["known_names", "names_stand"]

# Names that are words too, which `capitalised` leaves out, and how a passage may write them.
_ACRONYMS = {
    "WHO": re.compile(r"\bW\.?H\.?O\b|(?i:\bworld health organi[sz]ation)"),
    "US": re.compile(r"\bU\.? ?S\.?(?:A\b|\b)|(?i:\bunited states)|\bAmerica"),
    "IT": re.compile(r"\bI\.?T\b|(?i:\binformation technology)"),
}
_WORDS = re.compile(r"[^\W_]+\$?")
_RUN = r"[^\W_]++(?:[&.][^\W_]++)*+"
_PAIR = re.compile(rf"({_RUN})(?: (?=({_RUN})))?")  # a word, and the one behind it where only a blank is between


def names_stand(text: str, passage: Passage, known: frozenset[str]) -> bool:
    """Says whether each capitalised name of a text stands in the passage or its source's name.

    A word that opens a sentence is capitalised anyway: it counts as a name when another capitalised word follows, when
    it has further capitals, or when some passage writes it with a capital inside a sentence.

    Args:
        text: A claim, or what it says beside its quotes.
        passage: What it cites.
        known: From `known_names`.
    """
    source = source_name(passage.source)
    there = set(stems(f"{passage.text} {source}"))
    words, pairs = capitalised(text), set(_PAIR.findall(text))
    for (word, opens), (following, _) in zip(words, [*words[1:], ("", False)], strict=False):
        is_name = not opens or word[1:] != word[1:].lower() or word.casefold() in known
        is_name = is_name or bool(following and (word, following) in pairs)
        if is_name and not there.issuperset(stems(word)):
            return False
    named = split_words(source.upper())
    return all(it in named or _ACRONYMS[it].search(passage.text) for it in _acronyms(text))


def known_names(passages: Sequence[Passage]) -> frozenset[str]:
    """Returns the words, case folded, that some passage writes with a capital inside a sentence and none without."""
    text = "\n".join(passage.text for passage in passages)
    small = {word for word in split_words(text) if word.islower()}
    return frozenset(word.casefold() for word, opens in capitalised(text) if not opens) - small


def _acronyms(text: str) -> Iterator[str]:
    """Yields the acronyms in a text that are words too, but for those in "DO IT NOW", and the currency's "US$"."""
    words = _WORDS.findall(text)
    for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        if word in _ACRONYMS and not (_is_shouted(before) or _is_shouted(after)):
            yield word


def _is_shouted(word: str) -> bool:
    return len(word) > 1 and word.isupper() and word.casefold() in STOPWORDS and word not in _ACRONYMS

"""Lexical evidence: the content words, numbers and names of a text, in forms that can be compared."""

from __future__ import annotations

import re
import unicodedata

import Stemmer

__all__ = ["STOPWORDS", "capitalised", "content_stems", "evidence_stems", "numbers", "split_words", "stems"]

# Words that say nothing about the topic. Small on purpose: a word too many here hides evidence.
_STOPWORDS = """
a about above according after again against all also although am an and another any are as at be because
been before being below between both but by can cannot could did do does doing down during each either every
few for from further get got had has have having he hence her here hers him his how however i if in instead
into is it its itself just kind like many may me might more moreover most much must my name need neither nor
not nothing now of off on once only or other our out over own please s same she should since so some such t
tell than that the their them then there therefore these they this those though through thus to too type
under unless until up upon us very want was we were what when where whether which while who whom whose why
will with within without would yes you your
"""
STOPWORDS = frozenset(_STOPWORDS.split())

_WORD = re.compile(r"[^\W_]+")
_NAME = re.compile(r"[^\W\d_][^\W_]*(?:[&.][^\W_]+)*")
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)\]])[-−])?(?P<value>\d+(?:[.,]\d+)*)(?P<part>[½¼¾])?\s?(?P<percent>%|per ?cent\b)?"
)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_THOUSANDS = re.compile(rf"(?<![\w.,]){_GROUPED.pattern}(?!,?\d)")
_VULGAR = {"½": "5", "¼": "25", "¾": "75"}  # digits behind the point
_BEFORE_A_WORD = frozenset(" \t\n*_`'\"“”‘’«»„([{-–—•#|")
_STOPS = frozenset(".:!?…;")
_UNITS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORD_VALUES = {word: value for value, word in enumerate(_UNITS.split())} | {
    word: 10 * value for value, word in enumerate(_TENS.split(), start=2)
}
_stemmer = Stemmer.Stemmer("english")


def split_words(text: str) -> list[str]:
    """Returns the words of a text, runs of letters and digits, as they are written."""
    return _WORD.findall(text)


def stems(text: str) -> list[str]:
    """Returns the English stem of each word, case folded, in order, repeats kept.

    Source: the Snowball "english" stemmer (Porter, 2001), through PyStemmer.
    """
    return _stemmed([word.casefold() for word in split_words(text)])


def content_stems(text: str) -> list[str]:
    """Returns the stems of the words that are no stopwords, in order, repeats kept."""
    return _stemmed([folded for word in split_words(text) if (folded := word.casefold()) not in STOPWORDS])


def evidence_stems(text: str) -> set[str]:
    """Returns `content_stems`, each once; "1,250" is one word, 1250."""
    return set(content_stems(_THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)))


def numbers(text: str, *, words: bool = False) -> set[str]:
    """Returns the numbers of a text in one notation: "1,000" is "1000", "6.0" is "6", "6 %" and "6 percent" are "6%".

    A percentage gives its bare number too when `words` is set: what a passage states is read generously, what a claim
    states strictly.

    Args:
        text: Any text.
        words: Whether to read number words up to 99 as well, and percentages as bare numbers.
    """
    found: set[str] = set()
    for match in _NUMBER.finditer(text):
        for value in _values(match["value"], match["part"] or ""):
            plain = f"-{value}" if match["sign"] and value != "0" else value
            found.add(f"{plain}%" if match["percent"] else plain)
            if words and match["percent"]:
                found.add(plain)
    return found | _worded(text) if words else found


def capitalised(text: str) -> list[tuple[str, bool]]:
    """Returns the capitalised words of a sentence, each with whether it opens the sentence.

    A word behind a colon, a bullet or an opening quote opens one too. Stopwords and a trailing possessive are left out.
    """
    found: list[tuple[str, bool]] = []
    for match in _NAME.finditer(text):
        word = match[0].removesuffix(".")
        if word[0].isupper() and word.casefold() not in STOPWORDS:
            end = match.start()
            while end and text[end - 1] in _BEFORE_A_WORD:
                end -= 1
            found.append((word, not end or text[end - 1] in _STOPS))
    return found


def _stemmed(folded: list[str]) -> list[str]:
    found: list[str] = _stemmer.stemWords(folded)
    return found


def _values(value: str, part: str) -> list[str]:
    """Returns one number, or several where the separators fit no single one ("1.2.3", "1,2,3").

    As text: a serial number may have more digits than any arithmetic keeps.
    """
    if _GROUPED.fullmatch(value):
        pieces = [value.replace(",", "")]
    else:
        pieces = re.split("[.,]", value)
        pieces = [".".join(pieces)] if len(pieces) <= 2 else pieces
    if part and len(pieces) == 1 and "." not in pieces[0]:
        pieces = [f"{pieces[0]}.{_VULGAR[part]}"]
    return [_stripped(piece) for piece in pieces]


def _stripped(number: str) -> str:
    """Returns a number in ASCII digits without the zeros that say nothing."""
    if not number.isascii():
        number = "".join(char if char == "." else str(unicodedata.decimal(char)) for char in number)
    whole, _, fraction = number.partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def _worded(text: str) -> set[str]:
    found: set[str] = set()
    lowered = [word.casefold() for word in split_words(text)]
    for word, following in zip(lowered, [*lowered[1:], ""], strict=False):
        value = _WORD_VALUES.get(word)
        if value is not None:
            found.add(str(value))
            unit = _WORD_VALUES.get(following, 0)
            if value >= 20 and 0 < unit < 10:
                found.add(str(value + unit))
    return found

"""Where a quote stands in a text, word for word, whatever the typography."""

from __future__ import annotations

import re
import unicodedata

from ..prompt import INVISIBLE

__all__ = ["FENCE", "UNSPACED", "find_verbatim"]

FENCE = r"(?:`{3,}|~{3,})[ \t]*[^\s`~]*"  # opens or closes code in Markdown; one word may name its language

_FORMS = {
    **dict.fromkeys("‘’‚‛′´`", "'"),
    **dict.fromkeys('“”„‟″«»"', '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **{"…": "...", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"},
}
_PIECE = re.compile(
    rf"""
    (?P<fence> (?: ^ | \s*\n ) [ \t]* {FENCE}[ \t]*$ )
  | (?P<drop> {INVISIBLE.pattern} | (?<![\w*]) [*_`]{{1,3}} (?=\S) | (?<=\S) [*_`]{{1,3}} (?![\w*]) )
  | (?P<hyphen> (?<=[^\W\d_]) [-‐‑]\s* (?=[^\W\d_]) )
  | (?P<space> \s+ )
  | (?P<letter> . [\u0300-\u036f]* )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_CLOSING = " .,;:!?…。，、；：！？"  # American style puts the sentence's own stop inside the quote
# Scripts without blanks between words, for a character class: Thai to Lao, Burmese, Khmer, kana, Han, Hangul. A word of
# theirs begins and ends anywhere; a number written in Han does not.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_HAN_NUMBER = "〇零一二两兩三四五六七八九十百千万萬亿億"


def find_verbatim(quote: str, text: str) -> tuple[int, int] | None:
    """Returns the (start, end) offsets of the quote in the text, None where it does not stand there word for word.

    Case counts. Folded on both sides: runs of whitespace, kinds of quote marks, dashes and hyphens, ligatures, composed
    accents, emphasis marks of Markdown and the lines that fence code in it, invisible characters, and the hyphens
    inside words (those of line ends among them). Punctuation at the quote's end may be the quoter's. A quote begins and
    ends with whole words and numbers: "5 drops" does not stand in "15 drops", nor "6" in "6.5". In Chinese, Japanese,
    Thai and other scripts without blanks between words only numbers need be whole. An elided quote ("a ... b") is no
    verbatim quote.

    Args:
        quote: Without its quote marks.
        text: Where to look.
    """
    wanted, _ = _folded(quote)
    folded, origins = _folded(text)
    for needle in (wanted.strip(), wanted.strip().rstrip(_CLOSING)):
        if not any(char.isalnum() for char in needle):
            return None
        found = re.search(_left_border(needle) + re.escape(needle) + _right_border(needle), folded)
        if found is not None:
            return origins[found.start()][0], origins[found.end() - 1][1]
    return None


def _left_border(needle: str) -> str:
    if needle[0].isdecimal():
        return rf"(?<![^\W{UNSPACED}])(?<!\d)(?<!\d[.,])"
    if needle[0] in _HAN_NUMBER:
        return f"(?<![{_HAN_NUMBER}])"
    if re.match(f"[{UNSPACED}]", needle):
        return ""
    return rf"(?<![^\W{UNSPACED}])" if needle[0].isalnum() else ""


def _right_border(needle: str) -> str:
    if needle[-1].isdecimal():
        return rf"(?![^\W{UNSPACED}])(?!\d)(?![.,]\d)"
    if needle[-1] in _HAN_NUMBER:
        return f"(?![{_HAN_NUMBER}])"
    if re.match(f"[{UNSPACED}]", needle[-1]):
        return ""
    return rf"(?![^\W{UNSPACED}])" if needle[-1].isalnum() else ""


def _folded(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Returns the folded text, and for each of its characters the span in the text that it came from."""
    chars: list[str] = []
    origins: list[tuple[int, int]] = []
    for match in _PIECE.finditer(text):
        if match.lastgroup in ("drop", "hyphen"):
            continue
        piece = " " if match.lastgroup in ("space", "fence") else unicodedata.normalize("NFC", match[0])
        if piece == " " and chars and chars[-1] == " ":
            continue
        piece = _FORMS.get(piece, piece)
        chars.extend(piece)
        origins.extend([match.span()] * len(piece))
    return "".join(chars), origins

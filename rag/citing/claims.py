"""The claims of an answer: its statements, each with the quotes in it and the passages that it cites."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...loaders.sentences import split_sentences
from .lexical import content_stems
from .verbatim import UNSPACED

__all__ = ["Claim", "parse_claims"]

MIN_CLAUSE_WORDS = 3  # content words: what stands before a marker inside a sentence is a claim of its own from here on
MIN_UNSPACED = 2 * MIN_CLAUSE_WORDS  # the same in letters, where no blanks tell words: those of Chinese have two or so
MAX_RANGE = 50  # "[1-40]" names forty passages; "[1-999]" is no citation

# Numbers of three digits at most: "[2015]" is a year.
_ENTRY = r"\d{1,3}(?:\s*[-–]\s*\d{1,3})?"
_MARKER = re.compile(rf"\[\s*({_ENTRY}(?:\s*[,;]\s*{_ENTRY})*)\s*\](?!\()|【\s*(\d{{1,3}})[^】\n]{{0,80}}】")
_DEFINITION = re.compile(r"(?<![^\n])[ ]{0,3}\[\d+\]:")
_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|(?<!`)(`+)(?!`)[^\n]*?[^`\n]\1(?!`)", re.DOTALL)
_SOURCES = re.compile(
    r"^[#*_ \t]*+(?:sources|references|citations)[*_ \t]*+(?::[*_ \t]*+)?$", re.IGNORECASE | re.MULTILINE
)
_SOURCE_LINE = re.compile(r"\s*(?:[-*] +)?(?:\[\d+\]|\d+[.)])")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_STOPS = frozenset(".:!?…;。！？")
_CLOSERS = {"“": "”", "«": "»", "„": "“”", "「": "」", "『": "』", '"': '"'}


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of an answer.

    Args:
        text: The statement without its markers.
        quotes: What stands in quotation marks in it, without the marks.
        cited: The numbers of the passages that it cites, in order, each once. Never empty.
        unquoted: The statement without what its quotes say: their marks stay, and the stop that a quote ends with.
    """

    text: str
    quotes: tuple[str, ...]
    cited: tuple[int, ...]
    unquoted: str = ""


@dataclass(slots=True)
class _Group:
    """Adjacent markers: the place in the text without markers where they stood, and their numbers."""

    at: int
    cited: list[int] = field(default_factory=list)


def parse_claims(answer: str) -> list[Claim]:
    """Returns the claims of an answer that cite something, in order.

    A claim is a sentence, or the part of one that ends at markers inside it ("A costs 5 [1] and B costs 6 [2]").
    Markers are [1], [1][2], [1, 2] and [1-3], and 【1】 as some models write them. A marker behind the sentence's stop
    belongs to that sentence, one that opens a line to the sentence behind it. No marker is what stands in code, in a
    quote, in a Markdown link, or in a list of sources at the end.

    Args:
        answer: The answer's text; Markdown.
    """
    text, groups = _without_markers(_without_sources(answer))
    sentences = _sentences(text)
    if not sentences:
        return []
    owned: dict[int, list[_Group]] = {}
    leading = -1  # the last sentence that a marker opened: "[1] says this. [2] says that."
    for group in groups:
        index, opens = _owner(text, sentences, group.at, leading)
        owned.setdefault(index, []).append(group)
        leading = index if opens else leading
    return [claim for index in sorted(owned) for claim in _clauses(text, sentences[index], owned[index])]


def _without_sources(answer: str) -> str:
    """Returns the answer without a list of sources at its end."""
    headings = list(_SOURCES.finditer(answer))
    if headings:
        lines = answer[headings[-1].end() :].splitlines()
        if all(_SOURCE_LINE.match(line) for line in lines if line.strip()):
            return answer[: headings[-1].start()]
    return answer


def _without_markers(answer: str) -> tuple[str, list[_Group]]:
    """Returns the text without its markers and the blanks before them, and the markers' places in that text."""
    masked = _quotes_and_code(answer)
    definitions = [match.span() for match in _DEFINITION.finditer(answer)]
    pieces: list[str] = []
    groups: list[_Group] = []
    length = position = 0
    end_of_last = -1
    for match in _MARKER.finditer(answer):
        start, end = match.span()
        behind_link_text = answer[start - 1 : start] == "]" and start != end_of_last
        if behind_link_text or _holder(masked, start) or _holder(definitions, start):
            continue
        before = answer[position:start]
        piece = before.rstrip(" \t")
        if piece or not groups or end_of_last < 0:
            pieces.append(piece)
            length += len(piece)
            groups.append(_Group(length))
        groups[-1].cited.extend(_numbers(match[1] if match.lastindex == 1 else match[2]))
        position = end_of_last = end
    pieces.append(answer[position:])
    return "".join(pieces), groups


def _numbers(entries: str) -> Iterator[int]:
    for entry in re.split("[,;]", entries):
        first, *last = (int(number) for number in re.findall(r"\d+", entry))
        if last and 0 < last[0] - first < MAX_RANGE:
            yield from range(first, last[0] + 1)
        else:
            yield from (first, *last)


def _quotes_and_code(answer: str) -> list[tuple[int, int]]:
    """Returns the spans of quotes and code in order: of two that overlap the one that starts first.

    A fence or a backtick inside a quote is a document's, and opens no code behind the quote.
    """
    quotes = _quote_spans(answer)
    code: list[tuple[int, int]] = []
    position = 0
    while match := _CODE.search(answer, position):
        quote = _holder(quotes, match.start())
        if quote is None:
            code.append(match.span())
        position = match.end() if quote is None else quote[1]
    return sorted([*code, *(quote for quote in quotes if not _holder(code, quote[0]))])


def _holder(spans: Sequence[tuple[int, int]], at: int) -> tuple[int, int] | None:
    """Returns the span that holds a place, of spans in order without overlaps."""
    index = bisect_right(spans, at, key=lambda span: span[0]) - 1
    return spans[index] if index >= 0 and at < spans[index][1] else None


def _quote_spans(text: str) -> list[tuple[int, int]]:
    """Returns the (start, end) of each outermost quote with its marks; none crosses a blank line."""
    spans: list[tuple[int, int]] = []
    opened, depth = -1, 0
    for at, char in enumerate(text):
        if opened >= 0 and char == "\n" and text[at + 1 : at + 2] == "\n":
            opened = -1
        elif opened < 0:
            if char in _CLOSERS and _may_open(text, at):
                opened, depth = at, 1
        elif char in _CLOSERS[text[opened]] and (char != '"' or not text[at + 1 : at + 2].isalnum()):
            depth -= 1
            if depth == 0:
                spans.append((opened, at + 1))
                opened = -1
        elif char == text[opened] != '"':
            depth += 1
    return spans


def _may_open(text: str, at: int) -> bool:
    """A straight mark opens a quote only before a word and behind none: not in 5" pipes."""
    if text[at] != '"':
        return True
    before, after = text[max(0, at - 1) : at], text[at + 1 : at + 2]
    return not (before.isalnum() or before in (".", ",", "!", "?")) and bool(after.strip())


def _sentences(text: str) -> list[tuple[int, int]]:
    """Returns the sentences' spans; a border inside a quote is none."""
    quotes = [span for span in _quotes_and_code(text) if text[span[0]] in _CLOSERS]
    spans: list[tuple[int, int]] = []
    for start, end in split_sentences(text):
        quote = _holder(quotes, start)
        if spans and quote and quote[0] < start:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def _owner(text: str, sentences: list[tuple[int, int]], at: int, leading: int) -> tuple[int, bool]:
    """Returns the index of the sentence that markers at this place belong to, and whether they open it."""
    index = max(0, bisect_left(sentences, (at, -1)) - 1)  # the last sentence that starts before the place
    start, end = sentences[index]
    if at <= start:
        return index, True
    following = index + 1
    on_its_line = at >= end and following < len(sentences) and "\n" not in text[at : sentences[following][0]]
    if on_its_line and (index == leading or "\n" in text[end:at]):
        return following, True
    return index, False


def _clauses(text: str, sentence: tuple[int, int], groups: list[_Group]) -> Iterator[Claim]:
    """Yields a claim a group of markers: the clause before it where that says enough, else the whole sentence."""
    start, end = sentence
    borders = [min(max(group.at, start), end) for group in groups[:-1]]
    read: dict[str, tuple[tuple[str, ...], str]] = {}  # a sentence of nothing but markers would be read once a marker
    for first, last, group in zip([start, *borders], [*borders, end], groups, strict=True):
        clause = text[first:last].strip()
        if not _says_enough(clause):
            clause = text[start:end]
        if clause not in read:
            read[clause] = _quotes_and_rest(clause)
        quotes, unquoted = read[clause]
        yield Claim(clause, quotes, tuple(dict.fromkeys(group.cited)), unquoted)


def _says_enough(clause: str) -> bool:
    return len(content_stems(clause)) >= MIN_CLAUSE_WORDS or len(_UNSPACED.findall(clause)) >= MIN_UNSPACED


def _quotes_and_rest(clause: str) -> tuple[tuple[str, ...], str]:
    """Returns what a clause quotes, and the clause without it."""
    quotes: list[str] = []
    rest: list[str] = []
    position = 0
    for first, last in _quote_spans(clause):
        quote = clause[first + 1 : last - 1].strip()
        if quote:
            quotes.append(quote)
        rest += [clause[position : first + 1], quote[-1:] if quote[-1:] in _STOPS else ""]
        position = last - 1
    return tuple(quotes), "".join([*rest, clause[position:]])

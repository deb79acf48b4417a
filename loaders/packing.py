"""The arithmetic of chunking: texts cut into spans of bounded tokens, with few, large calls to the tokenizer."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

from ..errors import InvalidArgumentError
from .sentences import split_sentences

__all__ = ["CHARS_A_TOKEN", "CountTokens", "Span", "cut_texts", "pack", "pack_evenly"]

CountTokens = Callable[[Sequence[str]], list[int]]
Span = tuple[int, int]

CHARS_A_TOKEN = 16  # WordPiece makes one [UNK] of any word over 100 characters, so tokens alone don't bound a chunk
WHOLE_CHARS_A_TOKEN = 6  # a text shorter than this times its limit may fit whole, so it is counted whole first
PIECE_TOKENS = 2  # a piece of an over-long sentence has limit / 2 characters: it fills chunks well, and there are few
MIN_PIECE_CHARS = 8
MAX_GAP_CHARS = 16  # of the whitespace before a sentence, this much is counted with it, as byte-level tokenizers need
WORST_SCALE = 0.8  # below this ratio of limit to count a tokenizer is not near additive, and only the odd spans are cut

_NON_SPACE = re.compile(r"\S")


@dataclass(slots=True)
class _Cut:
    """One text on its way: its units (sentences, or pieces of them) with their counts, then its spans."""

    text: str
    limit: int
    units: list[Span] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    @property
    def max_chars(self) -> int:
        return self.limit * CHARS_A_TOKEN


def cut_texts(
    texts: Sequence[str], limits: Sequence[int], count_tokens: CountTokens, *, overlap: int
) -> list[list[Span]]:
    """Returns the spans of each text: in order, trimmed, each within its text's limit of tokens and characters.

    Args:
        texts: What to cut.
        limits: The most tokens a span of each text may have; at least 1.
        count_tokens: Counts the tokens of many texts at once. It need not be additive: joined spans are counted again.
        overlap: The most tokens that a span repeats, as whole units, of the span before.
    """
    cuts = [_Cut(text, limit) for text, limit in zip(texts, limits, strict=True)]
    _take_whole(cuts, count_tokens)
    long = [cut for cut in cuts if not cut.spans and _NON_SPACE.search(cut.text)]
    if long:
        _find_units(long, count_tokens)
        _pack_all(long, count_tokens, overlap)
    return [cut.spans for cut in cuts]


def pack(units: Sequence[Span], counts: Sequence[int], *, limit: int, max_chars: int, overlap: int) -> list[Span]:
    """Returns spans that join neighbouring units greedily, each with at least one unit that no span before it has.

    Args:
        units: (start, end) offsets, in order and apart.
        counts: Tokens of each unit.
        limit: The most tokens the units of a span have together. A unit above it stands alone.
        max_chars: The most characters from a span's start to its end, unless it is one unit.
        overlap: The most tokens of the whole units that a span repeats from the end of the one before.
    """
    spans: list[Span] = []
    begin = end = total = 0
    while end < len(units):
        while begin < end and not _fits(units, begin, end, total + counts[end] <= limit, max_chars):
            total -= counts[begin]
            begin += 1
        total += counts[end]
        end += 1
        while end < len(units) and _fits(units, begin, end, total + counts[end] <= limit, max_chars):
            total += counts[end]
            end += 1
        spans.append((units[begin][0], units[end - 1][1]))
        first, begin, total = begin, end, 0
        while begin - 1 > first and total + counts[begin - 1] <= overlap:
            begin -= 1
            total += counts[begin]
    return spans


def pack_evenly(
    units: Sequence[Span], counts: Sequence[int], *, limit: int, max_chars: int, overlap: int
) -> list[Span]:
    """Returns as few spans as `pack` does, of about equal length: no short rest at the end.

    A retriever compares short chunks and long ones by one measure, and what is left of a text in a last chunk of two
    sentences is neither about the text nor about anything else: even chunks find more (notebooks/CHOOSING.md). The
    spans are those of the lowest limit that is found to make no more of them.

    Args:
        units: As `pack`.
        counts: As `pack`.
        limit: As `pack`.
        max_chars: As `pack`.
        overlap: As `pack`.
    """
    spans = pack(units, counts, limit=limit, max_chars=max_chars, overlap=overlap)
    enough, too_few = limit, sum(counts) // max(len(spans), 1) - 1  # a lower limit than their mean makes more spans
    while len(spans) > 1 and enough - too_few > 1:
        tried = (enough + too_few) // 2
        found = pack(units, counts, limit=tried, max_chars=max_chars, overlap=overlap)
        if len(found) <= len(spans):
            spans, enough = found, tried
        else:
            too_few = tried
    return spans


def _fits(units: Sequence[Span], begin: int, end: int, tokens_fit: bool, max_chars: int) -> bool:
    return tokens_fit and units[end][1] - units[begin][0] <= max_chars


def _take_whole(cuts: Sequence[_Cut], count_tokens: CountTokens) -> None:
    trimmed = [(cut, _trim(cut.text, 0, len(cut.text))) for cut in cuts]
    short = [(cut, span) for cut, span in trimmed if 0 < span[1] - span[0] <= cut.limit * WHOLE_CHARS_A_TOKEN]
    counts = _count([cut.text[start:end] for cut, (start, end) in short], count_tokens)
    for (cut, span), count in zip(short, counts, strict=True):
        if count <= cut.limit:
            cut.spans = [span]


def _find_units(cuts: Sequence[_Cut], count_tokens: CountTokens) -> None:
    """Fills units and counts: sentences, and again and again the pieces of those that are too long."""
    fresh = [split_sentences(cut.text) for cut in cuts]
    done: list[dict[Span, int]] = [{} for _ in cuts]
    while any(fresh):
        asked = [(at, span) for at, spans in enumerate(fresh) for span in spans]
        counts = _count([_with_gap(cuts[at].text, span) for at, span in asked], count_tokens)
        fresh = [[] for _ in cuts]
        for (at, span), count in zip(asked, counts, strict=True):
            cut, length = cuts[at], span[1] - span[0]
            if length > 1 and (count > cut.limit or length > cut.max_chars):
                fresh[at].extend(_pieces(cut.text, span, max(MIN_PIECE_CHARS, cut.limit // PIECE_TOKENS)))
            else:
                done[at][span] = count
    for cut, units in zip(cuts, done, strict=True):
        cut.units = sorted(units)
        cut.counts = [units[unit] for unit in cut.units]


def _pack_all(cuts: Sequence[_Cut], count_tokens: CountTokens, overlap: int) -> None:
    """Fills the spans, counts them as they stand, and packs tighter where the tokenizer is not additive."""
    scales = [1.0] * len(cuts)
    for _attempt in range(2):
        for cut, scale in zip(cuts, scales, strict=True):
            limit = int(cut.limit * scale)
            cut.spans = pack_evenly(cut.units, cut.counts, limit=limit, max_chars=cut.max_chars, overlap=overlap)
        counts = _count_spans(cuts, count_tokens)
        scales = [cut.limit / max(cut.limit, *of_cut) for cut, of_cut in zip(cuts, counts, strict=True)]
        if all(scale == 1.0 or scale < WORST_SCALE for scale in scales):
            break
        scales = [scale if scale >= WORST_SCALE else 1.0 for scale in scales]
    _halve_oversized(cuts, counts, count_tokens)


def _halve_oversized(cuts: Sequence[_Cut], counts: Sequence[Sequence[int]], count_tokens: CountTokens) -> None:
    queue = []
    for cut, of_cut in zip(cuts, counts, strict=True):
        queue += [(cut, span) for span, count in zip(cut.spans, of_cut, strict=True) if count > cut.limit]
        cut.spans = [span for span, count in zip(cut.spans, of_cut, strict=True) if count <= cut.limit]
    touched = {id(cut): cut for cut, _ in queue}
    while queue:
        halves = [(cut, half) for cut, span in queue for half in _halves(cut, span)]
        counted = _count([cut.text[start:end] for cut, (start, end) in halves], count_tokens)
        queue = []
        for (cut, half), count in zip(halves, counted, strict=True):
            if count > cut.limit and half[1] - half[0] > 1:
                queue.append((cut, half))
            else:
                cut.spans.append(half)
    for cut in touched.values():
        cut.spans = sorted(set(cut.spans))


def _halves(cut: _Cut, span: Span) -> list[Span]:
    start, end = span
    at = bisect_left(cut.units, ((start + end) // 2, 0))
    inner = [begin for begin, _ in cut.units[max(0, at - 1) : at + 1] if start < begin < end]
    if inner:
        border = min(inner, key=lambda begin: abs(2 * begin - start - end))
        return [_trim(cut.text, start, border), (border, end)]
    return _pieces(cut.text, span, end - start) if end - start > 1 else [span]


def _pieces(text: str, span: Span, size: int) -> list[Span]:
    """Returns the lines of a span that has several, else groups of words of `size` characters, or half of its own."""
    start, end = span
    if "\n" in text[start:end]:
        cuts = [start, *(found.end() for found in re.compile("\n").finditer(text, start, end)), end]
        lines = [_trim(text, left, right) for left, right in pairwise(cuts)]
        return [line for line in lines if line[0] < line[1]]
    size = min(size, (end - start + 1) // 2)
    pieces: list[Span] = []
    for word in re.compile(rf"\S{{1,{size}}}").finditer(text, start, end):
        if pieces and word.end() - pieces[-1][0] <= size:
            pieces[-1] = (pieces[-1][0], word.end())
        else:
            pieces.append(word.span())
    return pieces


def _with_gap(text: str, span: Span) -> str:
    head = text[max(0, span[0] - MAX_GAP_CHARS) : span[0]]
    return head[len(head.rstrip()) :] + text[span[0] : span[1]]


def _trim(text: str, start: int, end: int) -> Span:
    first = _NON_SPACE.search(text, start, end)
    if first is None:
        return start, start
    return first.start(), first.start() + len(text[first.start() : end].rstrip())


def _count_spans(cuts: Sequence[_Cut], count_tokens: CountTokens) -> list[list[int]]:
    counts = iter(_count([cut.text[start:end] for cut in cuts for start, end in cut.spans], count_tokens))
    return [list(islice(counts, len(cut.spans))) for cut in cuts]


def _count(texts: list[str], count_tokens: CountTokens) -> list[int]:
    counts = count_tokens(texts) if texts else []
    if len(counts) != len(texts):
        raise InvalidArgumentError(f"count_tokens must return one count a text, got {len(counts)} for {len(texts)}")
    return counts

"""The citation check: does the cited passage say what the answer claims?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ...retrievers.retriever import Encoder
from ...retrievers.scale import CosineScale, measure_scale
from ..context import Passage
from ..prompt import source_name
from .claims import Claim, parse_claims
from .lexical import content_stems, evidence_stems, numbers
from .names import known_names, names_stand
from .quotable import quotable_spans
from .verbatim import find_verbatim

__all__ = ["Citation", "check_citations"]

# Measured with all-MiniLM-L6-v2 on XQuAD-en, either threshold reached / numbers and names standing as well:
# 500 sentences with a quarter of their common words dropped and half of them turned around, own paragraph: 100% / 100%.
# 1,190 questions, taken as claims in other words, gold paragraph: 96% / 90%.
# 500 sentences against the four other paragraphs of their article: 11% / 4.3%; against other articles: 0% / 0%.
# One number changed: 5.8% of 191 pass, one name replaced: 1.9% of 363; they name another number or name of the passage.
# Coverage alone, without an encoder: questions 84% / 80%, other paragraphs of the article 0.6% / 0.4%.
MIN_NEARNESS = 0.7
MIN_COVERAGE = 0.6
QUOTED_SHARE = (
    0.5  # from here on the quote is the claim; below, it is a word in it ("safe") and the rest must stand too
)
# What says where a quote stands: the number of a list's item, the page, the passage's number in the prompt.
_REFERENCE = re.compile(
    r"(?P<item>^[ \t*_•+-]*\d{1,3}[.)](?=\s))|\b(?:(?:page|pp?\.)\s?(?P<page>\d+)|(?:passage|source)\s?(?P<n>\d+))\b",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Citation:
    """One claim's citation of one passage, checked.

    Args:
        n: The number in the answer.
        document_id: The cited passage's document; None where no passage has this number.
        source: Absolute path of the file, or the caller's id; None where no passage has this number.
        page: 1-based page number, None where the source has no pages.
        quote: Verbatim slice of the passage's text: the claim's own quote where it stands there, else the sentence
            nearest to the claim. Empty where no passage has this number.
        boxes: Where the quote stands on the page, a box a line, in PDF points; empty until `RAG.locate`.
        supported: Whether the passage says what the claim says, as far as the rules of `check_citations` can tell.
    """

    n: int
    document_id: str | None
    source: str | None
    page: int | None
    quote: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    supported: bool = False


def check_citations(answer_text: str, passages: Sequence[Passage], *, encoder: Encoder | None = None) -> list[Citation]:
    """Returns one citation a (claim, number) pair, in the answer's order.

    A claim with a quote is supported when every quote in it stands verbatim in the passage (see `find_verbatim`), and
    so does each number and each capitalised name beside them. The passage's number and page, and those of a list's
    items, need not. A claim without a quote, or with a mere word or two of it in quotes, is supported when three things
    hold: each number in it stands in the passage, so does each capitalised name, and its words or its meaning are near
    to a sentence there.
    Each passage is asked alone: support that two passages give only together is not credited.

    Out of scope: negation ("is not safe" beside "is safe"), who did what to whom, and whether the passage is right.

    Args:
        answer_text: The answer with its markers, Markdown; see `lateral.rag.citing.claims.parse_claims`.
        passages: The passages that the answer was made from.
        encoder: Judges nearness by meaning, beside the share of the claim's content words that stand in the passage.
            Without one, or with one that does not tell related texts from unrelated ones, that share alone decides.
    """
    by_number = {passage.n: passage for passage in passages}
    pairs = [(claim, number) for claim in parse_claims(answer_text) for number in claim.cited]
    cited = [
        _Pair(claim, by_number[number], *_quoted(claim, by_number[number]))
        for claim, number in pairs
        if number in by_number
    ]
    judge = _Nearness([(pair.claim, pair.passage) for pair in cited if not pair.decided], encoder)
    known = known_names(passages)
    checked = (_checked(pair, judge, known) for pair in cited)
    return [next(checked) if number in by_number else Citation(number, None, None, None, "") for _, number in pairs]


@dataclass(frozen=True, slots=True)
class _Pair:
    """A claim and a passage that it cites, with what `_quoted` says of them."""

    claim: Claim
    passage: Passage
    quote: str
    decided: bool


def _checked(pair: _Pair, judge: _Nearness, known: frozenset[str]) -> Citation:
    passage = pair.passage
    if pair.decided:
        quote, supported = pair.quote, _stand(_without_references(pair.claim.unquoted, passage), passage, known)
    else:
        quote, supported = _judged(pair, judge, known)
    return Citation(passage.n, passage.document_id, passage.source, passage.page, quote, supported=supported)


def _judged(pair: _Pair, judge: _Nearness, known: frozenset[str]) -> tuple[str, bool]:
    """Returns the passage's words for the claim, and whether they support it."""
    claim, passage, quote = pair.claim, pair.passage, pair.quote
    nearest, near = judge.nearest(claim, passage)
    stands = bool(quote) or not claim.quotes
    return quote or nearest, stands and near and _stand(claim.text, passage, known)


def _quoted(claim: Claim, passage: Passage) -> tuple[str, bool]:
    """Returns the last quote as the passage writes it, empty where one is missing, and whether the quotes decide.

    The last, since a table's row is quoted behind its header.
    """
    spans: list[tuple[int, int]] = []
    for quote in claim.quotes:
        span = find_verbatim(quote, passage.text)
        if span is None:
            return "", False
        spans.append(span)
    if not spans:
        return "", False
    start, end = spans[-1]
    return passage.text[start:end], _quotes_carry(claim)


def _quotes_carry(claim: Claim) -> bool:
    """Says whether at least QUOTED_SHARE of the claim's content words are quoted."""
    quoted = sum(len(content_stems(quote)) for quote in claim.quotes)
    return quoted >= QUOTED_SHARE * len(content_stems(claim.text))


def _without_references(unquoted: str, passage: Passage) -> str:
    """Returns what stands beside quotes without what only says where they stand: "2. On page 3 of ledger-2020.txt"."""
    name = source_name(passage.source)
    if re.search(r"[^\W\d_]", name):  # a name of digits alone would take numbers away
        unquoted = unquoted.replace(name, " ")

    def without(match: re.Match[str]) -> str:
        right = match["item"] or match["page"] == str(passage.page) or match["n"] == str(passage.n)
        return " " if right else match[0]

    return _REFERENCE.sub(without, unquoted)


def _stand(text: str, passage: Passage, known: frozenset[str]) -> bool:
    """Says whether the numbers and names of a claim, or of what it says beside its quotes, stand in the passage."""
    return numbers(text) <= numbers(passage.text, words=True) and names_stand(text, passage, known)


class _Nearness:
    """Finds the passage's sentence that is nearest to a claim. All texts are encoded in one batch."""

    def __init__(self, pairs: Sequence[tuple[Claim, Passage]], encoder: Encoder | None) -> None:
        self._sentences = {passage.n: _sentences(passage.text) for _, passage in pairs}
        self._vectors: dict[str, NDArray[np.float32]] = {}
        self._scale: CosineScale | None = None
        if encoder is None or not pairs:
            return
        scale = measure_scale(encoder, questions=False)
        if scale.meaningful:
            claims = [claim.text for claim, _ in pairs]
            texts = list(dict.fromkeys([*claims, *chain.from_iterable(self._sentences.values())]))
            self._vectors = dict(zip(texts, encoder.encode_documents(texts), strict=True))
            self._scale = scale

    def nearest(self, claim: Claim, passage: Passage) -> tuple[str, bool]:
        """Returns the nearest sentence, verbatim, and whether it is near enough."""
        sentences = self._sentences[passage.n]
        if not sentences:
            return "", False
        wanted = evidence_stems(claim.text)
        covered = bool(wanted) and len(wanted & evidence_stems(passage.text)) >= MIN_COVERAGE * len(wanted)
        if self._scale is None:
            shares = [len(wanted & evidence_stems(sentence)) for sentence in sentences]
            return sentences[shares.index(max(shares))], covered
        vectors = np.stack([self._vectors[sentence] for sentence in sentences])
        nearness = self._scale.scaled(vectors @ self._vectors[claim.text])
        best = int(np.argmax(nearness))
        return sentences[best], covered or bool(nearness[best] >= MIN_NEARNESS)


def _sentences(text: str) -> list[str]:
    """Returns the passage's sentences, verbatim; the whole text where nothing in it looks like one."""
    return [text[start:end] for start, end in quotable_spans(text)] or ([text.strip()] if text.strip() else [])

"""The generator that needs no model: it answers with the passages' own sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ...arguments import check_positive
from ...retrievers.retriever import Encoder
from ...retrievers.scale import measure_scale
from ..citing.lexical import content_stems, numbers
from ..prompt import Message, parse_messages
from .candidates import Candidate, find_candidates, quoted
from .identifiers import identifiers, passage_tiers, without_codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NOTHING_FOUND", "ExtractiveGenerator"]

NOTHING_FOUND = "Nothing relevant to this question was found in the indexed documents."

# Measured with all-MiniLM-L6-v2 on XQuAD-en, five passages by cosine; "refused" is an answer of NOTHING_FOUND:
# its 1,168 questions with the gold paragraph among the five: 1.6% refused; without an encoder 3.8%.
# Cranfield's 225 queries (aerodynamics, nothing on it in XQuAD): 100% refused; without an encoder 99.1%.
# Its 1,190 questions after the gold paragraph was taken out of the corpus: 55% refused (without an encoder 65%); after
# its whole article was: 93% (85%). So a question that is close to the topic, and not answered, often gets a quote.
# The best sentence is from the gold paragraph for 97.7% (without an encoder 96.9%) of the questions answered.
# Other models were not at hand. MiniLM with a constant in every vector (unrelated texts at cosine 0.5) refuses 1.2% of
# the answerable and 100% of Cranfield's: the scale carries over.
MIN_RELEVANCE = 0.5
MIN_MEANING = 0.8  # enough without a common word: "new login secret" finds "Passwords must be changed every 90 days."
MIN_WORDING = 0.28
# Of the best sentence's relevance: gives 1.4 sentences a question, 86% of the others from the gold paragraph (0.9 too).
KEEP_SHARE = 0.85

SAME_TABLE_SHARE = 0.95  # a table's rows are alike, so a second one must be nearly as good
# Orders a table's rows: of "20 litres" and "10 litres ... 20 drops" only one says "20 litres", and the other names
# another amount than the question, which weighs as much.
PHRASE_WEIGHT = 0.3

# "How long should I wait?" is answered by "wait 7 to 10 days", not by a sentence about waiting; "when is the cat fed?"
# by "at seven", not by a sentence about cats. Of 139 questions of XQuAD that ask when, 138 lead with a sentence of the
# gold paragraph with it and without; where the first sentence changes (5), it has a date now: 3 are answers, none was.
FIGURE_WEIGHT = 0.15
_ASKS_TIME = re.compile(r"how long (?!(?:is|are|was|were)\b)", re.IGNORECASE)
_ASKS_FIGURE = re.compile(
    r"how (?:long|many|much|far|often|old|tall|high|deep|hot|cold|big|large|wide|fast)\b", re.IGNORECASE
)
_ASKS_WHEN = re.compile(
    r"(?:when (?:am|is|are|was|were|do|does|did|has|have|had|will|would|shall|should|can|could|may|might|must)"
    r"|(?:(?:at|by|during|in|on|since|until) )?(?:what|which) (?:time|hour|day|date|month|year|decade|century))\b",
    re.IGNORECASE,
)
# Months with their capitals: "may" and "march" are other words. "5 kg" is no date, "at 5", "7:30" and "in 1911" are.
_DATE = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|1\d{3}s?|20\d\ds?|\d{1,2}:\d\d|\d+(?:st|nd|rd|th)"
    r"|(?i:mornings?|noon|afternoons?|evenings?|midnight|daily|weekly|monthly|yearly|ago|[ap]\.?m|o.clock)"
    r"|(?<!-)(?i:second|minute|hour|day|night|week|month|year|decade|centur(?:y|ie))s?"  # "present-day" says none
    r"|(?i:(?:after|around|at|before|by|past|since|till|until) "
    r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)))\b"
)
_TIME = re.compile(r"\b(?:second|minute|hour|day|night|week|month|year|decade|centur(?:y|ie))s?\b", re.IGNORECASE)

MAX_CANDIDATES = 32  # to encode: of ten passages 97.2% as with all 55 sentences (97.0%), at half the time
# A sentence often names its subject only in the sentence before. Of the best sentences 97.7%, of the others 86% are
# from the gold paragraph; at 0: 97.5% and 83%.
NEIGHBOUR_WEIGHT = 0.5
UNSEEN_SENTENCES = 20  # assumed beside the candidates, without a word of the question: else idf is noise for few
SAME_WORDS = 0.8  # two sentences with this share of their stems in common, and the same numbers, say one thing


class ExtractiveGenerator:
    """Quotes the sentences that best answer the question, each with its citation: the offline default.

    A sentence's relevance is the mean of two kinds of evidence. Meaning: the cosine of question and sentence, half of
    it with the sentence's neighbours blended in, on the common scale of `measure_scale`. Wording: the idf-weighted
    share of the question's content words (English stems) in the sentence and in its passage. Without an encoder, or
    with one that does not tell related texts from unrelated ones, wording alone decides.

    An identifier in the question, as PX-217 or a quoted phrase, binds the quotes: they come from passages that hold it
    where there are any, and never from one about another of its kind; see `identifiers.py`.

    Args:
        encoder: Any bi-encoder; None for wording alone.
        max_sentences: Upper bound of quoted sentences, at least 1. Fewer come when the rest is much less relevant.

    Raises:
        InvalidArgumentError: `max_sentences` is below 1.
    """

    def __init__(self, encoder: Encoder | None = None, *, max_sentences: int = 3) -> None:
        self._encoder = encoder
        self._max_sentences = check_positive("max_sentences", max_sentences)

    def generate(self, messages: Sequence[Message]) -> Iterator[str]:
        """Yields the quotes, best first, each from a line of its own, as `“sentence” [n]`; or `NOTHING_FOUND`.

        Each quote is verbatim text of its passage with whitespace folded, in quote marks that it does not hold itself.
        A table's row comes as `“header”: “row” [n]`; with a title, as `“title”, “header”: “row” [n]`. Code, and a list
        or table behind the sentence that introduces it, keep their lines. Near-duplicates are quoted once.

        Raises:
            InvalidArgumentError: The messages were not made by `build_messages`.
        """
        question, passages = parse_messages(messages)
        quotes = self._quotes(question, passages)
        for index, candidate in enumerate(quotes):
            header = ", ".join(map(quoted, candidate.header))
            quote = f"{header}: {quoted(candidate.shown)}" if header else quoted(candidate.shown)
            yield f"\n{quote} [{candidate.n}]" if index else f"{quote} [{candidate.n}]"
        if not quotes:
            yield NOTHING_FOUND

    def _quotes(self, question: str, passages: Sequence[tuple[int, str]]) -> list[Candidate]:
        """Returns the sentences to quote, best first; none where nothing is relevant."""
        asked = identifiers(question)
        for tier in passage_tiers(asked, [text for _, text in passages]):
            inside = [passages[at] for at in sorted(tier)]
            candidates = [one for number, text in inside for one in find_candidates(number, text, asked)]
            bound = any(one.exact.search(text) for _, text in inside for one in asked)
            for wording in _wordings(question) if bound else [question]:
                if quotes := self._best(wording, inside, candidates):
                    return quotes
        return []

    def _best(
        self, question: str, passages: Sequence[tuple[int, str]], candidates: Sequence[Candidate]
    ) -> list[Candidate]:
        if not candidates:
            return []
        sentence_share, passage_share = _coverage(question, passages, candidates)
        chosen = _preselected(sentence_share)
        candidates = [candidates[index] for index in chosen]
        wording = (sentence_share[chosen] + passage_share[chosen]) / 2
        meaning = self._meaning(question, candidates)
        if meaning is None:
            relevance, relevant = wording, wording >= MIN_WORDING
        else:
            relevance = (meaning + wording) / 2
            relevant = (relevance >= MIN_RELEVANCE) | (meaning >= MIN_MEANING)
        worth = relevance + PHRASE_WEIGHT * (_phrases(question, candidates) - _other_amounts(question, candidates))
        worth = worth + FIGURE_WEIGHT * _figures(question.strip(), candidates)
        order = sorted((index for index in range(len(candidates)) if relevant[index]), key=lambda at: -worth[at])
        return _kept(question, [(float(worth[index]), candidates[index]) for index in order])[: self._max_sentences]

    def _meaning(self, question: str, candidates: Sequence[Candidate]) -> NDArray[np.float32] | None:
        """Returns the scaled cosines, shape (len(candidates),), or None where there is no encoder that can judge."""
        if self._encoder is None:
            return None
        scale = measure_scale(self._encoder, questions=True)
        if not scale.meaningful:
            return None
        asked = self._encoder.encode_queries([question])[0]
        alone = self._encoder.encode_documents([candidate.meant for candidate in candidates])
        blended = alone.copy()
        for index, (one, following) in enumerate(pairwise(candidates)):
            if one.n == following.n and following.place == one.place + 1:
                blended[index] += NEIGHBOUR_WEIGHT * alone[index + 1]
                blended[index + 1] += NEIGHBOUR_WEIGHT * alone[index]
        norms = np.linalg.norm(blended, axis=1)
        blended_cosines = (blended @ asked) / np.where(norms > 0, norms, 1)
        return scale.scaled((alone @ asked + blended_cosines) / 2)


def _wordings(question: str) -> list[str]:
    """Returns the question without its codes, if it asks anything else, and as it is.

    In passages that hold a code it tells no sentence from another, and few sentences repeat it.
    """
    bare = without_codes(question)
    return [bare, question] if content_stems(bare) else [question]


def _coverage(
    question: str, passages: Sequence[tuple[int, str]], candidates: Sequence[Candidate]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the idf-weighted share of the question's stems in each candidate, and in each candidate's passage.

    Source: the idf of BM25 (Robertson & Zaragoza 2009, eq. 3.3, plus 1 inside the logarithm), over the candidates.
    """
    wanted = sorted(set(content_stems(question)))
    total = len(candidates) + UNSEEN_SENTENCES
    found = [sum(stem in candidate.stems for candidate in candidates) for stem in wanted]
    idf = np.array([math.log(1 + (total - count + 0.5) / (count + 0.5)) for count in found])
    whole = {number: frozenset(content_stems(text)) for number, text in passages}
    scale = idf.sum() or 1.0

    def shares(stem_sets: Sequence[frozenset[str]]) -> NDArray[np.float32]:
        table = np.array([[stem in stems for stem in wanted] for stems in stem_sets], dtype=float)
        return np.asarray(table.reshape(len(stem_sets), len(wanted)) @ idf / scale, dtype=np.float32)

    return shares([candidate.stems for candidate in candidates]), shares([whole[one.n] for one in candidates])


def _phrases(question: str, candidates: Sequence[Candidate]) -> NDArray[np.float32]:
    """Returns the share of the question's pairs of neighbouring stems that are neighbours in each candidate too."""
    pairs = set(pairwise(content_stems(question)))
    shares = [len(pairs & set(pairwise(content_stems(one.text)))) / max(len(pairs), 1) for one in candidates]
    return np.array(shares, dtype=np.float32)


def _other_amounts(question: str, candidates: Sequence[Candidate]) -> NDArray[np.float32]:
    """Returns the share of the question's amounts, as "20 litres", of which each candidate names only another one."""
    wanted = _amounts(question)
    shares = []
    for candidate in candidates:
        there = _amounts(candidate.text)
        others = sum(unit in there and figures.isdisjoint(there[unit]) for unit, figures in wanted.items())
        shares.append(others / max(len(wanted), 1))
    return np.array(shares, dtype=np.float32)


def _figures(question: str, candidates: Sequence[Candidate]) -> NDArray[np.float32]:
    """Returns 1 for each candidate with a figure where the question asks for one, of time where it asks how long.

    Where it asks when, a date, a time of the day or a span of time is one.
    """
    if _ASKS_WHEN.match(question):
        return np.array([_DATE.search(one.meant) is not None for one in candidates], dtype=np.float32)
    if not _ASKS_FIGURE.match(question):
        return np.zeros(len(candidates), np.float32)
    of_time = _ASKS_TIME.match(question) is not None
    fits = [
        bool(numbers(one.meant, words=True)) and not (of_time and _TIME.search(one.meant) is None) for one in candidates
    ]
    return np.array(fits, dtype=np.float32)


def _amounts(text: str) -> dict[str, set[str]]:
    """Returns the figures in front of each word, by the word's stem."""
    found: dict[str, set[str]] = {}
    for figure, unit in pairwise(content_stems(text)):
        if figure.isdigit() and unit.isalpha():
            found.setdefault(unit, set()).add(figure)
    return found


def _preselected(sentence_share: NDArray[np.float32]) -> list[int]:
    """Returns at most MAX_CANDIDATES indexes, ascending: half by wording, the rest from the first passages."""
    best = np.argsort(-sentence_share, kind="stable")[: MAX_CANDIDATES // 2].tolist()
    rest = [index for index in range(len(sentence_share)) if index not in set(best)]
    return sorted([*best, *rest[: MAX_CANDIDATES - len(best)]])


def _kept(question: str, ranked: Sequence[tuple[float, Candidate]]) -> list[Candidate]:
    """Returns the best candidate, and of the others those nearly as good that say something else.

    Where the best names a number of the question's, they name it too: "10 litres" beside "20 litres" misleads.
    """
    kept: list[Candidate] = []
    named = numbers(question) & numbers(ranked[0][1].meant) if ranked else set()
    for worth, candidate in ranked:
        same_table = any(other.header and other.table == candidate.table for other in kept)
        near_best = worth >= (SAME_TABLE_SHARE if same_table else KEEP_SHARE) * ranked[0][0]
        fits = named <= numbers(candidate.meant, words=True)
        if near_best and fits and not any(_repeats(candidate, other) for other in kept):
            kept.append(candidate)
    return kept


def _repeats(one: Candidate, other: Candidate) -> bool:
    shared, either = len(one.stems & other.stems), len(one.stems | other.stems)
    alike = shared >= SAME_WORDS * either and numbers(one.text) == numbers(other.text)
    return alike or one.text == other.text or one.overlaps(other)

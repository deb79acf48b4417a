"""The generator that needs no model: it answers with the passages' own sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ...arguments import check_positive
from ...retrievers.retriever import Encoder
from ..citing.lexical import content_stems, numbers
from ..citing.quotable import quotables
from ..citing.scale import measure_scale
from ..prompt import Message, parse_messages

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NOTHING_FOUND", "ExtractiveGenerator"]

NOTHING_FOUND = "Nothing relevant to this question was found in the indexed documents."

# Measured with all-MiniLM-L6-v2 on XQuAD-en, five passages by cosine; "refused" is an answer of NOTHING_FOUND:
# its 1,168 questions with the gold paragraph among the five: 1.6% refused; without an encoder 4.0%.
# Cranfield's 225 queries (aerodynamics, nothing on it in XQuAD): 100% refused; without an encoder 99.1%.
# Its 1,190 questions after the gold paragraph was taken out of the corpus: 55% refused (without an encoder 65%); after
# its whole article was: 93% (85%). So a question that is close to the topic, and not answered, often gets a quote.
# The best sentence is from the gold paragraph for 97.3% (without an encoder 96.0%) of the questions.
# Other models were not at hand. MiniLM with a constant in every vector (unrelated texts at cosine 0.5) refuses 1.2% of
# the answerable and 100% of Cranfield's: the scale carries over.
MIN_RELEVANCE = 0.5
MIN_MEANING = 0.8  # enough without a common word: "new login secret" finds "Passwords must be changed every 90 days."
MIN_WORDING = 0.28
# Of the best sentence's relevance: gives 1.5 sentences a question, 87% of the others from the gold paragraph.
KEEP_SHARE = 0.85

SAME_TABLE_SHARE = 0.95  # a table's rows are alike, so a second one must be nearly as good
PHRASE_WEIGHT = 0.3  # orders a table's rows: of "20 litres" and "10 litres ... 20 drops" only one says "20 litres"

MAX_CANDIDATES = 32  # to encode: of ten passages 97.2% as with all 55 sentences (97.0%), at half the time
NEIGHBOUR_WEIGHT = 0.5  # a sentence often names its subject only in the sentence before
UNSEEN_SENTENCES = 20  # assumed beside the candidates, without a word of the question: else idf is noise for few
SAME_WORDS = 0.8  # two sentences with this share of their stems in common, and the same numbers, say one thing

QUOTE_MARKS = ("“”", "«»", "「」", "『』")  # of those that `parse_claims` reads, the ones whose ends differ
STRAIGHT = '"'


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sentence that could be quoted: its passage's number, its place there, its text with whitespace folded.

    A table's row comes with its header, which says what its figures mean.
    """

    n: int
    place: int
    text: str
    header: str
    stems: frozenset[str]

    @property
    def table(self) -> tuple[int, str]:
        """Which table a row belongs to."""
        return self.n, self.header

    @property
    def meant(self) -> str:
        """What the sentence says, to compare it with the question."""
        return f"{self.header} {self.text}" if self.header else self.text


class ExtractiveGenerator:
    """Quotes the sentences that best answer the question, each with its citation: the offline default.

    A sentence's relevance is the mean of two kinds of evidence. Meaning: the cosine of question and sentence, half of
    it with the sentence's neighbours blended in, on the common scale of `measure_scale`. Wording: the idf-weighted
    share of the question's content words (English stems) in the sentence and in its passage. Without an encoder, or
    with one that does not tell related texts from unrelated ones, wording alone decides.

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
        """Yields one line a quote, best first, as `“sentence” [n]`; or the one sentence `NOTHING_FOUND`.

        Each quote is verbatim text of its passage with whitespace folded, in quote marks that it does not hold itself.
        A table's row comes as `“header”: “row” [n]`. Near-duplicates are quoted once.

        Raises:
            InvalidArgumentError: The messages were not made by `build_messages`.
        """
        question, passages = parse_messages(messages)
        quotes = self._quotes(question, passages)
        for index, candidate in enumerate(quotes):
            quote = _quoted(candidate.text)
            line = f"{_quoted(candidate.header)}: {quote}" if candidate.header else quote
            line = f"{line} [{candidate.n}]"
            yield f"\n{line}" if index else line
        if not quotes:
            yield NOTHING_FOUND

    def _quotes(self, question: str, passages: Sequence[tuple[int, str]]) -> list[_Candidate]:
        """Returns the sentences to quote, best first; none where nothing is relevant."""
        candidates = [candidate for number, text in passages for candidate in _candidates(number, text)]
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
        worth = relevance + PHRASE_WEIGHT * _phrases(question, candidates)
        order = sorted((index for index in range(len(candidates)) if relevant[index]), key=lambda at: -worth[at])
        kept: list[_Candidate] = []
        for index in order:
            same_table = any(other.header and other.table == candidates[index].table for other in kept)
            share = SAME_TABLE_SHARE if same_table else KEEP_SHARE
            near_best = worth[index] >= share * worth[order[0]]
            if near_best and not any(_says_the_same(candidates[index], other) for other in kept):
                kept.append(candidates[index])
        return kept[: self._max_sentences]

    def _meaning(self, question: str, candidates: Sequence[_Candidate]) -> NDArray[np.float32] | None:
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


def _candidates(number: int, text: str) -> list[_Candidate]:
    candidates = []
    for place, (start, end, header) in enumerate(quotables(text)):
        sentence = " ".join(text[start:end].split())
        above = " ".join(text[slice(*header)].split()) if header else ""
        candidates.append(_Candidate(number, place, sentence, above, frozenset(content_stems(f"{above} {sentence}"))))
    return candidates


def _coverage(
    question: str, passages: Sequence[tuple[int, str]], candidates: Sequence[_Candidate]
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


def _phrases(question: str, candidates: Sequence[_Candidate]) -> NDArray[np.float32]:
    """Returns the share of the question's pairs of neighbouring stems that are neighbours in each candidate too."""
    pairs = set(pairwise(content_stems(question)))
    shares = [len(pairs & set(pairwise(content_stems(one.text)))) / max(len(pairs), 1) for one in candidates]
    return np.array(shares, dtype=np.float32)


def _preselected(sentence_share: NDArray[np.float32]) -> list[int]:
    """Returns at most MAX_CANDIDATES indexes, ascending: half by wording, the rest from the first passages."""
    best = np.argsort(-sentence_share, kind="stable")[: MAX_CANDIDATES // 2].tolist()
    rest = [index for index in range(len(sentence_share)) if index not in set(best)]
    return sorted([*best, *rest[: MAX_CANDIDATES - len(best)]])


def _says_the_same(one: _Candidate, other: _Candidate) -> bool:
    shared, either = len(one.stems & other.stems), len(one.stems | other.stems)
    return one.text == other.text or (shared >= SAME_WORDS * either and numbers(one.text) == numbers(other.text))


def _quoted(sentence: str) -> str:
    """Returns the sentence in quote marks that its own marks can't close early.

    One that holds some of every pair (a grammar of quote marks) has its own curly ones written straight.
    """
    for pair in QUOTE_MARKS:
        if not any(mark in sentence for mark in pair):
            return f"{pair[0]}{sentence}{pair[1]}"
    return f"“{sentence.replace('“', STRAIGHT).replace('”', STRAIGHT)}”"

"""Why BM25 found a chunk: the weight of each of the query's words in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .analysis import placed_terms
from .explanation import Explanation, Part, Spans

if TYPE_CHECKING:
    import bm25s

__all__ = ["term_weight", "term_weights"]

METHOD = "bm25"


def term_weights(
    model: bm25s.BM25 | None, language: str, *, query: str, text: str, chunk: tuple[str, int]
) -> Explanation:
    """Returns what each of the query's words adds to a chunk's score.

    Args:
        model: The index of terms, None for one without any.
        language: Of the stemmer and the stop words.
        query: The question or keywords.
        text: The chunk's text as it is indexed.
        chunk: Its id, and its position in the index of terms.

    Returns:
        A part is a word of the query, all its repeats and forms together: how it stands there, the words of the text
        with the same stem and where they stand, and the weight; 0 for a word that the text lacks. Stop words are in no
        part. The total is the score that bm25s gives.
    """
    node_id, position = chunk
    asked, found = list(placed_terms(language, query)), _places(language, text)
    weight_of = {term: term_weight(model, term, position) for term, _, _ in asked}
    # Added up in float32 and in the query's order, as bm25s does: the total is its score to the last bit.
    total = float(sum((weight_of[term] for term, _, _ in asked), np.float32(0)))
    parts = tuple(
        _part(term, query=(query, spans), text=(text, found.get(term, ())), weight=weight_of[term], total=total)
        for term, spans in _places(language, query).items()
    )
    return Explanation(query, node_id, METHOD, parts, total, text)


def term_weight(model: bm25s.BM25 | None, term: str, position: int) -> np.float32:
    """Returns what one occurrence of a term in a query adds to the score of the chunk at a position."""
    place = None if model is None else model.vocab_dict.get(term)
    if model is None or place is None:
        return np.float32(0)
    edges, rows, values = (model.scores[name] for name in ("indptr", "indices", "data"))
    column = slice(edges[place], edges[place + 1])
    return np.float32(values[column][rows[column] == position].sum())


def _part(term: str, *, query: tuple[str, Spans], text: tuple[str, Spans], weight: np.float32, total: float) -> Part:
    words = _words(*query)
    similarity = float(weight) * len(query[1])
    return Part(
        words,
        _words(*text),
        similarity,
        similarity / total if total else 0.0,
        spans=text[1],
        term="" if term == words.lower() else term,
    )


def _places(language: str, text: str) -> Mapping[str, Spans]:
    """Returns where the words of each term stand, in the order of the terms' first words."""
    found: dict[str, list[tuple[int, int]]] = {}
    for term, start, end in placed_terms(language, text):
        found.setdefault(term, []).append((start, end))
    return {term: tuple(spans) for term, spans in found.items()}


def _words(text: str, spans: Spans) -> str:
    """Returns the words at some places, each spelling once."""
    spellings: dict[str, str] = {}
    for start, end in spans:
        spellings.setdefault(text[start:end].casefold(), text[start:end])
    return ", ".join(spellings.values())

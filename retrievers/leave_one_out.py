"""Why a bi-encoder found a node: how much less alike query and node are without each of its sentences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..loaders.indexed_text import indexed_text
from ..loaders.node import Node
from ..loaders.sentences import split_sentences
from .explanation import Explanation, Part
from .retriever import Encoder

__all__ = ["leave_one_out"]

METHOD = "leave-one-out"
MAX_PARTS = 64  # texts that are encoded for one explanation, under a second on a CPU; a page of rows has hundreds


def leave_one_out(encoder: Encoder, query: str, node: Node) -> Explanation:
    """Returns how far the cosine of query and node falls when a sentence of the node is left out, for each sentence.

    One vector stands for the whole text, so a score has no exact parts; what is left when a sentence is missing says
    how much depended on it. Two sentences that say the same stand in for one another: leaving out either costs little.

    Args:
        encoder: Encodes the query, the text, and the text without each sentence, in one batch.
        query: The query. An empty one has no parts.
        node: A chunk; it need not be in an index.

    Returns:
        The method is "leave-one-out", the total the cosine, in [-1, 1]. The line of context above a text counts as a
        sentence. Beyond 64 sentences neighbours are left out together. A text without any sentence left has cosine 0.

    Source:
        Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks, section 4.2 (occlusion); Li, Monroe
        & Jurafsky 2016, Understanding Neural Networks through Representation Erasure. Deviation: the fall itself, not
        relative to the score, which may be near 0.
    """
    text = indexed_text(node)
    spans = _sentences(text, len(text) - len(node.text))
    if not query.strip() or not spans:
        return Explanation(query, node.id, METHOD, (), 0.0, text)
    rests = [text[:start] + text[end:] for start, end in spans]
    cosines = _cosines(encoder, query, [text, *rests])
    total, falls = float(cosines[0]), cosines[0] - cosines[1:]
    positive = np.maximum(falls, 0)
    shares = positive / (positive.sum() or 1)
    parts = tuple(
        Part(query, text[start:end], float(fall), float(share), ((start, end),))
        for (start, end), fall, share in zip(spans, falls, shares, strict=True)
    )
    return Explanation(query, node.id, METHOD, parts, total, text)


def _sentences(text: str, context_end: int) -> list[tuple[int, int]]:
    """Returns the spans to leave out: the line of context, then the sentences, neighbours together if too many."""
    found = split_sentences(text[:context_end])
    context = [(found[0][0], found[-1][1])] if found else []
    spans = [*context, *((context_end + a, context_end + b) for a, b in split_sentences(text[context_end:]))]
    run = -(-len(spans) // MAX_PARTS) or 1
    return [(spans[at][0], spans[at : at + run][-1][1]) for at in range(0, len(spans), run)]


def _cosines(encoder: Encoder, query: str, texts: list[str]) -> NDArray[np.float64]:
    (asked,) = np.asarray(encoder.encode_queries([query]), np.float64)
    vectors = np.asarray(encoder.encode_documents(texts), np.float64)
    cosines: NDArray[np.float64] = vectors @ asked
    cosines[[not text.strip() for text in texts]] = 0.0
    return cosines

"""Why a late-interaction model found a node: which token matched which."""

from __future__ import annotations

import numpy as np

from ..loaders.indexed_text import indexed_text
from ..loaders.node import Node
from .explanation import Explanation, Part, TokenPlacing
from .retriever import TokenEncoder

__all__ = ["token_matches"]

METHOD = "maxsim"


def token_matches(encoder: TokenEncoder, query: str, node: Node) -> Explanation:
    """Returns which of the node's tokens each of the query's tokens matched, how well, and for how much.

    Args:
        encoder: Encodes both; the parts have places in the text if it is a `TokenPlacing`.
        query: The query. An empty one has no parts.
        node: A chunk; it need not be in an index.

    Returns:
        The method is "maxsim", the total the sum of all similarities. The query's tokens that stand for no part of it,
        such as [MASK], are in no part; they count in the total, and `rest` is their share.

    Source:
        Khattab & Zaharia 2020, ColBERT, section 3.3.
    """
    text = indexed_text(node)
    if not query.strip():
        return Explanation(query, node.id, METHOD, (), 0.0, text)
    asked = np.asarray(encoder.encode_queries([query])[0], np.float32)
    found = np.asarray(encoder.encode_documents([text])[0], np.float32)
    if not len(asked) or not len(found):
        return Explanation(query, node.id, METHOD, (), 0.0, text)
    similarities = asked @ found.T
    best = similarities.argmax(axis=1)
    total = float(similarities.max(axis=1).sum())
    names, matched = encoder.tokens(query, "query"), encoder.tokens(text, "document")
    spans = encoder.spans(text, "document") if isinstance(encoder, TokenPlacing) else [()] * len(matched)
    parts = tuple(
        Part(name, matched[place], float(row[place]), float(row[place]) / total if total else 0.0, spans[place])
        for name, row, place in zip(names, similarities, best, strict=True)
        if name not in encoder.special_tokens
    )
    rest = 1 - sum(part.share for part in parts) if total else 0.0
    return Explanation(query, node.id, METHOD, parts, total, text, rest)

"""Fewer vectors a document: tokens that mean nearly the same become one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgumentError
from .explanation import Spans, TokenPlacing
from .retriever import EncodesAtOnce, Side, TokenEncoder, VectorSpace

__all__ = ["PooledEncoder", "check_pool_factor", "pool_tokens", "token_groups"]

Row = TypeVar("Row")

PROTECTED = 1  # [CLS], which stands for the whole document, stays by itself


class PooledEncoder:
    """A late-interaction encoder whose documents keep about one vector in `factor`; queries keep all.

    Args:
        encoder: Makes the token vectors.
        factor: How many of them become one, at least 1; see `pool_tokens`.

    Raises:
        InvalidArgumentError: The factor is no number of at least 1.
    """

    def __init__(self, encoder: TokenEncoder, factor: float) -> None:
        self._encoder = encoder
        self._factor = check_pool_factor(factor)

    @cached_property
    def space(self) -> VectorSpace:
        """The encoder's space; its fingerprint covers the factor."""
        inner = self._encoder.space
        mark = f"{inner.fingerprint} pooled by {self._factor:g}, {PROTECTED} protected"
        return replace(inner, fingerprint=hashlib.sha256(mark.encode()).hexdigest())

    @property
    def max_tokens(self) -> int:
        """As the encoder's: every token is read before it is pooled."""
        return self._encoder.max_tokens

    @property
    def calls_at_once(self) -> int:
        """As the encoder's."""
        return self._encoder.calls_at_once if isinstance(self._encoder, EncodesAtOnce) else 1

    @property
    def special_tokens(self) -> frozenset[str]:
        """As the encoder's."""
        return self._encoder.special_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As the encoder's: tokens before pooling."""
        return self._encoder.count_tokens(texts)

    def encode_documents(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Returns a pooled matrix a document; see `pool_tokens`."""
        return [pool_tokens(matrix, self._factor) for matrix in self._encoder.encode_documents(texts)]

    def encode_queries(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Returns a matrix a query, not pooled."""
        return self._encoder.encode_queries(texts)

    def tokens(self, text: str, side: Side) -> list[str]:
        """Returns what each row stands for: of a document, the tokens that became one, with blanks."""
        names = self._encoder.tokens(text, side)
        return names if side == "query" else [" ".join(together) for together in self._grouped(text, names)]

    def spans(self, text: str, side: Side) -> list[Spans]:
        """Returns where each row's tokens stand in the text; none where the encoder can't tell."""
        if not isinstance(self._encoder, TokenPlacing):
            return [()] * len(self.tokens(text, side))
        spans = list(self._encoder.spans(text, side))
        return spans if side == "query" else [tuple(chain(*together)) for together in self._grouped(text, spans)]

    def _grouped(self, text: str, rows: Sequence[Row]) -> list[list[Row]]:
        """Returns what stands for each of a document's tokens, grouped as their vectors are."""
        (matrix,) = self._encoder.encode_documents([text])
        groups = token_groups(matrix, self._factor)
        of_group: dict[int, list[Row]] = {group: [] for group in _order(groups)}
        for row, group in zip(rows, groups.tolist(), strict=True):
            of_group[group].append(row)
        return list(of_group.values())


def pool_tokens(matrix: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Returns about 1 in `factor` of a document's token vectors: the mean of each group, L2-normalised.

    Args:
        matrix: float32, shape (tokens, dim), rows L2-normalised. The first row stays as it is.
        factor: At least 1.

    Returns:
        float32, shape (groups, dim), in the order of each group's first token.

    Source:
        Clavie, Chaffin & Adams 2024, Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance Impact
        via Token Pooling, section 3: Ward's clustering on cosine distance.
    """
    if factor == 1 or len(matrix) <= PROTECTED:
        return matrix
    groups = token_groups(matrix, factor)
    pooled = np.stack([matrix[groups == group].mean(axis=0) for group in _order(groups)])
    norms = np.linalg.norm(pooled, axis=1, keepdims=True)
    result: NDArray[np.float32] = (pooled / np.where(norms > 0, norms, 1)).astype(np.float32)
    return result


def token_groups(matrix: NDArray[np.float32], factor: float) -> NDArray[np.int64]:
    """Returns the group of each token, shape (tokens,); the first is alone in its own.

    Args:
        matrix: float32, shape (tokens, dim), rows L2-normalised. One with a value that is not finite is left as it is,
            to who looks for them.
        factor: At least 1.
    """
    free = len(matrix) - PROTECTED
    wanted = max(int(free // factor), 1)
    if free <= wanted or not np.isfinite(matrix).all():
        return np.arange(len(matrix))
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    tokens = matrix[PROTECTED:].astype(np.float64)
    distances = np.clip(1 - tokens @ tokens.T, 0, 2)
    tree = hierarchy.ward(squareform(distances, checks=False))
    labels = hierarchy.fcluster(tree, t=wanted, criterion="maxclust")
    return np.fromiter(chain(range(PROTECTED), labels + PROTECTED), np.int64, len(matrix))


def check_pool_factor(value: float | str) -> float:
    """Returns the factor as a number.

    Raises:
        InvalidArgumentError: It is no number of at least 1.
    """
    try:
        factor = float(value)
    except (TypeError, ValueError):
        factor = 0.0
    if not 1 <= factor < np.inf:
        raise InvalidArgumentError(f"pool_factor must be a number of at least 1, got {value!r:.80}")
    return factor


def _order(groups: NDArray[np.int64]) -> list[int]:
    """Returns the groups in the order of their first tokens."""
    return list(dict.fromkeys(groups.tolist()))

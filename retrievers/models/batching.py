"""Batches of texts of like length, so that little is computed for padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["BatchLimit", "batches_by_length"]


@dataclass(frozen=True, slots=True)
class BatchLimit:
    """What a batch may hold.

    Args:
        texts: At most this many texts.
        tokens: At most this many tokens, padding included; a longer text goes alone.
    """

    texts: int
    tokens: int


def batches_by_length(lengths: Sequence[int], limit: BatchLimit) -> Iterator[list[int]]:
    """Yields positions in batches, the longest texts first, so that running out of memory shows at once.

    Args:
        lengths: Each text's length in tokens, as the model will read it.
        limit: The bounds of a batch.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        longest = lengths[batch[0]] if batch else 0
        if batch and (len(batch) == limit.texts or (len(batch) + 1) * longest > limit.tokens):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch

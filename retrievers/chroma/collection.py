"""What a Chroma collection is here, embedded or on a server: ids and vectors, set up for recall, checked before use."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["SPACE", "Batch", "ChromaFailed", "ChromaUnavailable", "Collection", "check_collection"]

# recall@10 of 0.99 at 10,000 random 384-d vectors, the worst case, and of 1.00 at 200,000 that lie as those of text do
SPACE = {"space": "cosine", "ef_search": 400, "ef_construction": 400, "max_neighbors": 32}
ASKED = 10
NEAR = 1e-3  # a cosine distance that is rounding

Batch: TypeAlias = tuple[list[str], NDArray[np.float32]]  # ids and their vectors, shape (len(ids), dim)


class ChromaFailed(Exception):
    """Chroma can't be used; the message says why. Never leaves this floor: exact search takes over."""


class ChromaUnavailable(ChromaFailed):
    """No Chroma server answers at the address: what it holds is neither right nor wrong."""


class Collection(Protocol):
    """A collection that is open for asking."""

    def count(self) -> int:
        """Returns how many vectors it holds.

        Raises:
            ChromaFailed: It can't be asked; so does the next.
        """
        ...

    def nearest(self, query: NDArray[np.float32], number: int) -> tuple[list[str], list[float]]:
        """Returns the ids of about the nearest vectors and their cosine distances, the nearest first."""
        ...


def check_collection(collection: Collection, count: int, known: Batch) -> None:
    """Asks a collection for what it should hold.

    Args:
        collection: Which.
        count: How many vectors it should hold.
        known: Some of its ids and their vectors.

    Raises:
        ChromaFailed: It holds another number of vectors, or does not find these.
    """
    if (held := collection.count()) != count:
        raise ChromaFailed(f"it holds {held} vectors in place of {count}")
    ids, vectors = known
    answers = [collection.nearest(vector, min(ASKED, count))[1] for vector in vectors]
    found = sum(bool(distances) and min(distances) < NEAR for distances in answers)
    if 2 * found < len(ids):  # a graph is approximate: it may miss one
        raise ChromaFailed("it does not find the vectors that it should hold")

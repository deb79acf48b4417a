"""Search through PLAID: it names candidates, the index's own vectors give the scores, and exact search fills in."""

from __future__ import annotations

import logging
import threading

import numpy as np
from numpy.typing import NDArray

from .generation import Coverage
from .opened import OpenedPlaid
from .texts import IndexedTexts, Positions, SomeTexts

__all__ = ["PlaidView"]

logger = logging.getLogger(__name__)

LARGEST_TOP_K = 500  # hits: for more, so many texts are decompressed that exact search is as fast
RESCORED = 64  # candidates whose exact scores are computed at least, in 4 ms; of 32, recall@10 is lower by 0.002
RESCORED_PER_HIT = 2  # ... or so many for each hit that is wanted
FEW_TEXTS = 256  # that a filter allows: scoring each of them exactly takes no longer than asking PLAID


class PlaidView:
    """A generation as one snapshot sees it.

    Scores are exact, computed from the index's own vectors; what is approximate is which texts are among the
    candidates. Texts that the generation lacks are searched exactly beside it, texts that are gone are dropped.

    On Cranfield (2,054 chunks of 137 tokens, 225 queries, a checkpoint of MiniLM's size) recall@10 of exact search is
    0.993 with 1 bit and 0.996 with 2 and with 4. What is missed is missed before vectors are decompressed, so more bits
    add little: 256 texts are decompressed; with 128 the recall is 0.986 and with 512 0.997.

    Args:
        opened: The generation.
        coverage: What of the snapshot it holds.
        texts: The snapshot's.
    """

    def __init__(self, opened: OpenedPlaid, coverage: Coverage, texts: IndexedTexts) -> None:
        self._opened = opened
        self._texts = texts
        self._exact = texts.search
        self._text_of = coverage.text_of
        self._beside = SomeTexts(texts.search, coverage.missing)
        self._failed = False
        self._lock = threading.Lock()

    def search(
        self, query: NDArray[np.float32], top_k: int, allowed: NDArray[np.bool_] | None = None
    ) -> Positions | None:
        """Returns the best chunks as `MaxSimSearch.search` does, None where exact search has to answer.

        Args:
            query: float32, shape (query tokens, dim), rows L2-normalised.
            top_k: How many at most.
            allowed: bool, shape (chunks,): which chunks may be returned. None for all.
        """
        wanted = self._exact.texts(allowed)
        if top_k > LARGEST_TOP_K or len(wanted) <= FEW_TEXTS or self._failed or not np.isfinite(query).all():
            return None
        named = self._named(query, top_k, wanted)
        if named is None:
            return None
        found = [self._texts.scored(query, named, allowed), self._beside.find(query, top_k, allowed)]
        positions, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
        ranked = np.lexsort((positions, -scores))[:top_k]
        # Each text that is wanted has a chunk at least: fewer hits than that, and PLAID has named too few.
        return (positions[ranked], scores[ranked]) if len(ranked) >= min(top_k, len(wanted)) else None

    def _named(self, query: NDArray[np.float32], top_k: int, wanted: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Returns those of the wanted texts that PLAID names, ascending; None when it fails, which it does once."""
        is_wanted = np.zeros(len(self._exact.counts) + 1, np.bool_)  # the last stands for texts that are gone
        is_wanted[wanted] = True
        try:
            places = self._opened.candidates(query, max(RESCORED, RESCORED_PER_HIT * top_k), is_wanted[self._text_of])
        except Exception as err:  # whatever torch and colbert-ai raise
            with self._lock:
                if not self._failed:
                    logger.warning("search is exact, PLAID failed: %s: %s", type(err).__name__, err)
                self._failed = True
            return None
        return np.sort(self._text_of[places])

"""Late interaction over large corpora: candidates by shorter token vectors, then exact scores for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_positive
from .candidates_files import ReducedFiles, candidates_name
from .candidates_reduction import ReducedSegment
from .maxsim import MaxSimSearch
from .retriever import VectorSpace
from .store import Snapshot
from .store.derived import open_derived
from .threads import in_threads
from .top import check_scores

__all__ = ["CANDIDATES", "EXACT_TOKENS_UP_TO", "CandidateSearch", "Candidates", "check_candidates"]

logger = logging.getLogger(__name__)

# At 128 dimensions: half a gigabyte of bytes, which are kept in memory. Exact search takes 94 ms on two cores there and
# candidates 60; at half of that 54 and 39: what is exact may take a little longer.
EXACT_TOKENS_UP_TO = 4_000_000
# Of 100,000 texts of 128 tokens (MiniLM's, with noise) 100 candidates hold 0.990 of the ten best, 200 0.995, 500 all.
CANDIDATES = 500
REPAIR = "`lateral verify --repair` makes it anew"
SPARE = 10  # candidates for each hit that is asked for, at least

Positions = tuple[NDArray[np.int64], NDArray[np.float32]]


class CandidateSearch:
    """MaxSim over the texts that come near by their reduced tokens; see `candidates_reduction`.

    Scores are exact; a text may be missed. The texts of segments that are not reduced are all candidates. Where few
    texts are allowed, search is exact. Threads may share it.

    Args:
        exact: The search over all texts.
        reduced: The reduced tokens of segments, by the segments' files.
        candidates: How many texts are scored exactly, at least.
        exact_up_to: Up to how many tokens of allowed texts search is exact, those that an accelerator holds left out.
    """

    def __init__(
        self, exact: MaxSimSearch, reduced: Mapping[str, ReducedSegment], *, candidates: int, exact_up_to: int
    ) -> None:
        self._exact = exact
        self._candidates = candidates
        self._exact_up_to = exact_up_to
        self._covered: list[tuple[ReducedSegment, NDArray[np.int64], NDArray[np.int64]]] = []
        bare = exact.counts > 0
        for segment, first in zip(exact.segments, exact.firsts.tolist(), strict=False):  # it has one more
            if segment.file not in reduced or not len(reduced[segment.file].starts):
                continue
            known = reduced[segment.file]
            filled = np.flatnonzero(segment.counts)
            order = np.argsort(known.starts)
            place = order[np.searchsorted(known.starts, segment.starts[filled], sorter=order).clip(max=len(order) - 1)]
            held = known.starts[place] == segment.starts[filled]
            self._covered.append((known, place[held], filled[held] + first))
            bare[filled[held] + first] = False
        self._bare = np.flatnonzero(bare)

    def search(self, query: NDArray[np.float32], top_k: int, allowed: NDArray[np.bool_] | None = None) -> Positions:
        """Returns the best chunks among the candidates; see `MaxSimSearch.search`.

        Args:
            query: float32, shape (query tokens, dim), rows L2-normalised.
            top_k: How many at most.
            allowed: bool, shape (chunks,): which chunks may be returned. None for all.

        Raises:
            InvalidArgumentError: A value of the query, or of a stored vector of a candidate, is NaN.
        """
        check_scores(query)
        texts = self._exact.texts(allowed)
        wanted = max(self._candidates, SPARE * top_k)
        if len(texts) <= wanted or self._exact.cpu_tokens(texts) <= self._exact_up_to:
            return self._exact.search(query, top_k, allowed)
        return self._exact.best(self.candidates(query, texts, wanted), query, top_k, allowed)

    def candidates(self, query: NDArray[np.float32], texts: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
        """Returns the numbers of the texts that are worth scoring, ascending: `wanted` of them and the uncovered ones.

        Args:
            query: As for `search`.
            texts: The numbers of the texts to choose from, ascending.
            wanted: How many to choose.
        """
        among = self._exact.counts > 0
        if is_some := len(texts) < len(self._exact.texts()):
            among[:] = False
            among[texts] = True

        def look(
            covered: tuple[ReducedSegment, NDArray[np.int64], NDArray[np.int64]],
        ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            reduced, place, numbers = covered
            scores = reduced.scores(query)[place]
            if is_some:
                scores, numbers = scores[among[numbers]], numbers[among[numbers]]
            return _highest(numbers, scores, wanted)

        found = in_threads(look, self._covered)
        numbers = np.concatenate([np.zeros(0, np.int64), *(numbers for numbers, _ in found)])
        scores = np.concatenate([np.zeros(0, np.float32), *(scores for _, scores in found)])
        chosen, _ = _highest(numbers, scores, wanted)
        return np.sort(np.concatenate([chosen, self._bare[among[self._bare]]]))


class Candidates:
    """A retriever's candidate stage: the vectors of what is published, opened once.

    Args:
        retriever: The retriever's name.
        exact_up_to: Up to how many tokens of allowed texts search is exact.
    """

    def __init__(self, retriever: str, exact_up_to: int = EXACT_TOKENS_UP_TO) -> None:
        self._name = candidates_name(retriever)
        self._exact_up_to = exact_up_to
        self._lock = threading.Lock()
        self._opened: tuple[Path, Mapping[str, ReducedSegment]] | None = None

    def view(
        self, snapshot: Snapshot, space: VectorSpace, exact: MaxSimSearch, candidates: int
    ) -> CandidateSearch | None:
        """Returns what searches the snapshot through candidates; None where search is exact.

        What was published for an older generation serves a newer one: segments never change.

        Args:
            snapshot: The index.
            space: The space of the vectors.
            exact: The search over all texts.
            candidates: How many texts are scored exactly, at least.
        """
        rows = [row[1:] for row in snapshot.rows("SELECT name, folder, files FROM derived") if row[0] == self._name]
        if not rows or exact.total <= self._exact_up_to:
            return None
        folder, files = snapshot.folder / rows[0][0], rows[0][1]

        def build() -> CandidateSearch | None:
            with self._lock:
                if self._opened is None or self._opened[0] != folder:
                    self._opened = folder, _read(folder, files, space)
                reduced = self._opened[1]
            if not reduced:
                return None
            return CandidateSearch(exact, reduced, candidates=candidates, exact_up_to=self._exact_up_to)

        return snapshot.cached(rows[0][0], build)  # by its folder: a generation may get one, or another, later

    def close(self) -> None:
        """Lets go of the files; the next search opens them again."""
        with self._lock:
            self._opened = None


def check_candidates(candidates: int) -> int:
    """Returns the number unchanged.

    Raises:
        InvalidArgumentError: It is no whole number of at least 1.
    """
    return check_positive("candidates", candidates)


def _read(folder: Path, files: str, space: VectorSpace) -> Mapping[str, ReducedSegment]:
    if open_derived(folder, files) is None:
        return {}
    try:
        held = ReducedFiles(folder)
        if held.serves(space):
            return held.opened()
        logger.warning("search is exact: '%s' was made by another version: %s", folder, REPAIR)
    except (OSError, ValueError) as err:
        logger.warning("search is exact: '%s' can't be read (%s): %s", folder, err, REPAIR)
    return {}


def _highest(
    numbers: NDArray[np.int64], scores: NDArray[np.float32], wanted: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns the texts with the highest scores, and these: ties by number, in no order."""
    if len(numbers) <= wanted:
        return numbers, scores
    near = scores >= np.partition(scores, -wanted)[-wanted]
    numbers, scores = numbers[near], scores[near]
    order = np.lexsort((numbers, -scores))[:wanted]
    return numbers[order], scores[order]

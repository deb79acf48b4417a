"""Approximate search through Chroma: derived from the index's own vectors, checked before use, never the last word."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgumentError
from ..exact import ExactSearch
from ..retriever import VectorSpace
from ..store import Snapshot, Writer
from ..store.derived import open_derived
from ..store.verify import Problem
from ..top import top_positions
from .check import check_published, sample
from .collection import ChromaFailed, ChromaUnavailable
from .generation import Coverage, Generation
from .opened import OpenedGeneration
from .refresh import forget_generation, refresh_generation
from .server import ChromaServer

__all__ = ["EXACT_UP_TO", "ChromaSearch", "Positions", "check_store"]

logger = logging.getLogger(__name__)

# Chunks. On two cores at 384 dimensions exact search takes 5.9 ms at 100,000 and 12 ms at 200,000, a graph 2 to 3 ms
# over vectors that lie as those of text do (between neighbours among 12,666 of MiniLM, with noise to an intrinsic
# dimension of 15; theirs is 10 to 14), and its recall@10 is 1.00 there. It would be the faster from about 50,000; what
# exact search costs up to here is no more than 4 ms, and it misses nothing whatever the vectors are: over 100,000
# random ones the graph's recall is 0.61.
# Measured so: real passages are encoded; each further vector is a random point between one of them and one of its
# nearest neighbours, plus noise, as much as brings the intrinsic dimension to that of text or above; one index of each
# size; warm, one query at a time, top 10: the median of `ExactSearch.search` against that of `ChromaSearch.search`, and
# the share of the first's hits among the second's.
EXACT_UP_TO = 100_000
OPENS_AFTER = 100  # searches of one process: opening a store takes seconds, what it saves is milliseconds a search
LARGEST_TOP_K = 150  # the graph is searched 400 wide: for more than that exact search is as fast, and misses nothing
SPARE = 50  # candidates above twice top_k: some are gone from the index, and ties are cut where the list ends
SERVER = "chroma://"

Positions = tuple[NDArray[np.int64], NDArray[np.float32]]


class ChromaSearch:
    """Approximate search beside exact search, where that pays.

    A generation that was published serves later ones of the index too, as long as few chunks have changed: those that
    it lacks are searched exactly, those that are gone are dropped. Whatever Chroma says, scores are computed from the
    index's own vectors. Where it fails, or may have missed something, exact search answers.

    Args:
        store: "auto", "chroma" or "chroma://host:port"; see `BiEncoderRetriever`.
        name: Of the derived index.
        exact_up_to: With "auto": how many chunks are always searched exactly.
        opens_after: With "auto": how many searches of a process are exact before it opens a store, in the background.

    Raises:
        InvalidArgumentError: The store is none of these.
    """

    def __init__(
        self, store: str, name: str = "chroma", *, exact_up_to: int = EXACT_UP_TO, opens_after: int = OPENS_AFTER
    ) -> None:
        self.store = check_store(store)
        self._name = name
        self._auto = store == "auto"
        self._exact_up_to = exact_up_to if self._auto else 0
        self._patience = opens_after if self._auto else 0
        self._server = ChromaServer(store) if store.startswith(SERVER) else None
        self._lock = threading.Lock()
        self._judged: tuple[Path, Generation | None] | None = None
        self._opened: OpenedGeneration | None = None
        self._tried: Path | None = None  # a generation's folder that passed its check here

    def search(
        self, snapshot: Snapshot, exact: ExactSearch, query: NDArray[np.float32], top_k: int
    ) -> Positions | None:
        """Returns the best chunks as `ExactSearch.search` does, None where exact search has to answer.

        Args:
            snapshot: The index.
            exact: The vectors of the snapshot.
            query: float32, shape (dim,), L2-normalised.
            top_k: How many at most.
        """
        if len(snapshot.chunk_ids()) <= self._exact_up_to or top_k > LARGEST_TOP_K or not np.isfinite(query).all():
            return None
        with self._lock:
            self._patience -= 1
            if self._patience >= 0:
                return None
        view = self._view(snapshot, exact)
        if view is None:
            return None
        number = min(view.coverage.generation.manifest.count, 2 * top_k + SPARE)
        found = self._open(view, snapshot, exact).nearest(query, number)
        return None if found is None else _best(view, snapshot, exact, query, top_k, found, number)

    def refresh(self, writer: Writer, snapshot: Snapshot, space: VectorSpace) -> None:
        """Publishes a generation that serves the snapshot, if one is wanted; says in the log when that fails.

        Args:
            writer: The index's writer.
            snapshot: What it has committed.
            space: The space of the vectors.
        """
        count = len(snapshot.chunk_ids())
        # An index that hovers around the limit keeps what it has, so that it is not built again and again.
        if not count or count <= self._exact_up_to // 2:
            forget_generation(writer, self._name)
            return
        if count <= self._exact_up_to and writer.published(self._name) is None:
            return
        with self._lock:
            opened = self._opened
            if opened is not None and opened.failed:
                self._tried = None
            elif opened is not None and opened.passed:
                self._tried = opened.generation.folder
        try:
            self._tried = refresh_generation(
                writer, self._name, snapshot=snapshot, space=space, server=self._server, tried=self._tried
            )
        except ChromaFailed as err:
            logger.warning(
                "what %s holds could not be brought up to date, search is exact until it is: %s", self.store, err
            )
            return
        with self._lock:
            if self._opened is not None and self._opened.failed:
                self._opened = None  # what it left alone has been checked since, or replaced

    def find_problems(self, snapshot: Snapshot, space: VectorSpace, published: Mapping[str, bool]) -> list[Problem]:
        """Returns what is wrong with what Chroma holds, beyond the bytes of its files: searches would be exact.

        Args:
            snapshot: The index.
            space: The space of the vectors.
            published: See `lateral.retrievers.store.verify.SelfChecking`.

        Raises:
            StorageError: The temporary folder, which a store is opened in, can't be written.
        """
        intact, found = published.get(self._name), snapshot.published(self._name)
        wanted = len(snapshot.chunk_ids()) > self._exact_up_to
        if intact is False or not (wanted or intact):
            return []
        place = self._name if found is None else str(found[0].relative_to(snapshot.folder))
        try:
            if self._server is not None:
                self._server.max_rows()  # whether it answers at all
            if found is None:
                raise ChromaFailed("nothing is built there yet")
            check_published(found[0], snapshot, space, self._server)
        except ChromaUnavailable as err:
            return [Problem(place, f"{err}: search is exact until a Chroma server answers there", "start")]
        except ChromaFailed as err:
            return [Problem(place, f"{self.store} can't be searched: {err}", "refresh", derived=self._name)]
        return []

    def _view(self, snapshot: Snapshot, exact: ExactSearch) -> _View | None:
        """Returns the published generation as the snapshot sees it; looks again when there is none: one may follow."""
        views: list[_View] = snapshot.cached(self._name, list)
        if views:
            return views[0]
        published = snapshot.published(self._name)
        if published is None:
            return None
        with self._lock:
            generation = self._judge(*published)
        if generation is None:
            return None
        coverage = Coverage(generation, snapshot)
        views[:] = [_View(coverage, exact.rows(coverage.missing))]
        return views[0]

    def _judge(self, folder: Path, files: str) -> Generation | None:
        """Returns the generation in a folder, read and checked once, None when it is not to be used."""
        if self._judged is None or self._judged[0] != folder:
            self._judged = folder, None
            if open_derived(folder, files) is not None:
                try:
                    generation = Generation(folder)
                    if generation.manifest.server == ("" if self._server is None else self._server.address):
                        self._judged = folder, generation
                except ChromaFailed as err:
                    logger.warning("search is exact: %s", err)
        return self._judged[1]

    def _open(self, view: _View, snapshot: Snapshot, exact: ExactSearch) -> OpenedGeneration:
        generation = view.coverage.generation
        with self._lock:
            if self._opened is None or self._opened.generation is not generation:
                known = sample(np.flatnonzero(view.coverage.held), snapshot.chunk_ids(), exact)
                checked = self._server is None and self._tried == generation.folder
                self._opened = OpenedGeneration(
                    generation, server=self._server, behind=self._auto, known=known, checked=checked
                )
            return self._opened


def check_store(store: str) -> str:
    """Returns the store unchanged.

    Raises:
        InvalidArgumentError: It is none of the three kinds.
    """
    if isinstance(store, str) and store.startswith(SERVER):
        return ChromaServer(store).address
    if store not in ("auto", "chroma"):
        raise InvalidArgumentError(f"store must be 'auto', 'chroma' or 'chroma://host:port', got {store!r:.80}")
    return store


@dataclass(frozen=True, slots=True)
class _View:
    """A generation as one snapshot sees it.

    Args:
        coverage: What of the snapshot it holds.
        rest: The vectors of the chunks that it lacks: float32, shape (len(coverage.missing), dim).
    """

    coverage: Coverage
    rest: NDArray[np.float32]


def _best(
    view: _View,
    snapshot: Snapshot,
    exact: ExactSearch,
    query: NDArray[np.float32],
    top_k: int,
    found: Sequence[str],
    asked: int,
) -> Positions | None:
    """Returns the best of what Chroma found and of what it lacks, None where something better may have been missed."""
    if len(found) < asked:
        return None  # the graph has come apart
    ids, named = snapshot.chunk_ids(), np.array([it.encode("ascii", "replace") for it in found], np.bytes_)
    place = np.minimum(np.searchsorted(ids, named), len(ids) - 1)
    known = np.unique(place[(ids[place] == named) & view.coverage.held[place]])
    beside = view.coverage.missing[top_positions(view.rest @ query, top_k)]
    positions, scores = exact.best(exact.with_equals(np.concatenate([known, beside])), query, top_k)
    if asked < view.coverage.generation.manifest.count and (
        len(positions) < top_k
        or not len(known)
        # A chunk that it did not name may be as good as the worst that it named: ties are in order above that only.
        or scores[-1] <= exact.scores(known, query).min()
    ):
        return None
    return positions, scores

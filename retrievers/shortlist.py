"""Which texts a late-interaction search scores: all of them, those that come near, or those that PLAID names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .candidates import Candidates, CandidateSearch, check_candidates
from .candidates_refresh import candidate_problems, refresh_candidates
from .maxsim import MaxSimSearch
from .plaid.index import PlaidIndex, check_bits, check_index
from .plaid.texts import Positions
from .store import RetrieverConfig, Snapshot, Writer
from .store.verify import Problem

__all__ = ["Search", "Shortlist"]

PLAID = "plaid"
USUAL = "colbert"  # whose PLAID bears no name of its own; another retriever of the index may have one, too

Search: TypeAlias = Callable[[NDArray[np.float32], int, NDArray[np.bool_] | None], Positions]


class Shortlist:
    """What an index derives from token vectors so that a search scores few texts in place of all.

    Scores are exact with each of them. Where what they need is missing, behind or damaged, every text is scored.
    What an index was made with decides where the retriever says nothing, and candidates where neither does.

    Args:
        retriever: The retriever's name.
        kind: "exact", "plaid" or None; see `lateral.retrievers.colbert.ColBERTRetriever`.
        bits: What PLAID keeps of each dimension; None: as the index was made.
        candidates: How many candidates are scored exactly, at least.
        exact_up_to: Up to how many tokens there are no candidates.

    Raises:
        InvalidArgumentError: An argument is none of those offered.
    """

    def __init__(
        self, retriever: str, kind: str | None, *, bits: int | str | None, candidates: int, exact_up_to: int
    ) -> None:
        self._retriever = retriever
        self._candidates = check_candidates(candidates)
        self._exact_up_to = exact_up_to
        self._near = Candidates(retriever, exact_up_to)
        self._kind = check_index(kind)
        self._bits = None if bits is None else check_bits(bits, kind)
        self._plaid_name = PLAID if retriever == USUAL else f"{PLAID}-{retriever}"
        self._plaid: PlaidIndex | None = None
        self._lock = threading.Lock()

    @property
    def settings(self) -> Mapping[str, str]:
        """What was asked for, as the catalog remembers it."""
        kind = {} if self._kind is None else {"index": self._kind}
        bits = {"bits": str(self._bits)} if self._kind == "plaid" and self._bits is not None else {}
        return {**kind, **bits}

    def search(self, snapshot: Snapshot, made: RetrieverConfig | None, exact: MaxSimSearch) -> Search:
        """Returns what searches a snapshot.

        Args:
            snapshot: The index.
            made: How it was made for the retriever; None for one that was not.
            exact: The search over all texts.
        """
        plaid = self.plaid(made)
        view = None if plaid is None or made is None or made.space is None else plaid.view(snapshot, made.space, exact)
        if view is None:
            near = self.near(snapshot, made, exact)
            return exact.search if near is None else near.search

        def search(query: NDArray[np.float32], top_k: int, allowed: NDArray[np.bool_] | None) -> Positions:
            return view.search(query, top_k, allowed) or exact.search(query, top_k, allowed)

        return search

    def near(self, snapshot: Snapshot, made: RetrieverConfig | None, exact: MaxSimSearch) -> CandidateSearch | None:
        """Returns what searches through candidates, None where they are not asked for or not there; see `search`."""
        if made is None or made.space is None or self._kind_of(made) is not None:
            return None
        return self._near.view(snapshot, made.space, exact, self._candidates)

    def plaid(self, made: RetrieverConfig | None) -> PlaidIndex | None:
        """Returns PLAID, None where it is not asked for."""
        kind = None if made is None else self._kind_of(made)
        if made is None or kind != "plaid":
            return None
        bits = check_bits(self._bits or made.settings.get("bits"), kind)
        with self._lock:
            if self._plaid is None or self._plaid.bits != bits:
                self._plaid = PlaidIndex(bits, self._plaid_name)
            return self._plaid

    def refresh(self, writer: Writer, snapshot: Snapshot, made: RetrieverConfig, *, build: bool) -> bool:
        """Brings what is derived up to date; returns whether it is then. Loads no model.

        Args:
            writer: The index's writer.
            snapshot: What it has committed.
            made: How the index was made for the retriever.
            build: Whether PLAID is built where it has to be, which clusters all vectors.
        """
        if made.space is None:
            return True
        is_all = True
        plaid = self.plaid(made)
        if plaid is None:
            writer.unpublish(self._plaid_name)
        elif build:
            plaid.refresh(writer, snapshot, made.space)
        else:
            is_all = plaid.keep_up(writer, snapshot, made.space)
        candidates = self._candidates if self._kind_of(made) is None else None
        refresh_candidates(
            writer, self._retriever, snapshot, made.space, candidates=candidates, exact_up_to=self._exact_up_to
        )
        return is_all

    def check_ready(self, dim: Callable[[], int]) -> None:
        """Raises unless what is asked for can be derived here.

        Args:
            dim: Returns the length of a vector.

        Raises:
            InvalidArgumentError: PLAID can't pack vectors of this length in so many bits.
            MissingExtraError: RAGatouille is not installed.
            MissingToolError: What compiles PLAID's C++ is missing.
        """
        if self._kind == "plaid":
            PlaidIndex(check_bits(self._bits, self._kind)).check_ready(dim())

    def find_problems(self, snapshot: Snapshot, made: RetrieverConfig, published: Mapping[str, bool]) -> list[Problem]:
        """Returns what is missing or not used; see `lateral.retrievers.store.verify.SelfChecking`."""
        if made.space is None:
            return []
        plaid = self.plaid(made)
        if plaid is not None:
            return plaid.find_problems(snapshot, made.space, published)
        if self._kind_of(made) is not None:
            return []
        return candidate_problems(self._retriever, snapshot, made.space, published, exact_up_to=self._exact_up_to)

    def close(self) -> None:
        """Lets go of the files; the next search opens them again."""
        with self._lock:
            self._plaid = None
        self._near.close()

    def _kind_of(self, made: RetrieverConfig) -> str | None:
        """Returns "exact" or "plaid" as the retriever says, else as the index was made; None where neither says."""
        return self._kind or made.settings.get("index")

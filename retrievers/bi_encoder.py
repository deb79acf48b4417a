"""Dense search over one vector a chunk."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import EncoderMismatchError, InvalidArgumentError
from ..loaders.node import Node
from .chroma.store import ChromaSearch, Positions, check_store
from .exact import ExactSearch
from .explanation import Explanation
from .hit import Hit, check_top_k
from .indexed import attached, hits_at, opened
from .leave_one_out import leave_one_out
from .models import DEFAULT_BI_ENCODER, check_compute, lasting_name, load_bi_encoder
from .retriever import Encoder, TokenEncoder, VectorSpace, Where
from .score_scale import ScoreScale, similarity_scale
from .store import Index, IndexConfig, RetrieverConfig, Snapshot, Writer
from .store.formats import check_format
from .store.verify import Problem
from .unit_vectors import check_normalised

__all__ = ["RETRIEVER", "BiEncoderRetriever", "check_space"]

NAME = "bi-encoder"
DERIVED = "chroma"


class BiEncoderRetriever:
    """Dense search: which chunks mean what the query means.

    Scores are cosine similarities, in [-1, 1], computed from the index's own vectors whatever finds the candidates.
    An empty query has no hits. A search with a filter is always exact: it compares the vectors of the allowed chunks,
    straight from the index's memory-mapped segments.

    The store says how the others are searched. What Chroma holds is derived from the index, checked before it is used,
    and brought up to date by whoever writes; where it is missing, damaged or out of reach, search is exact.

    Args:
        model: A model's name or folder; see `lateral.retrievers.models`.
        encoder: An encoder of your own in place of a model.
        store: "auto": exactly up to 100,000 chunks, and through embedded Chroma above, from a process's 101st search
            on. "chroma": through embedded Chroma; more than 150 hits are found exactly all the same.
            "chroma://host:port": through a Chroma server, over plain HTTP; it is sent vectors and node ids, no text.
            None: as the index was made, "auto" for a new one. An index that was made with another store moves with the
            next write: no vector is encoded again.
        vectors: How a new index stores them: "float32", "float16", "int8" or "binary"; None: as the index was made,
            float32 for a new one. `lateral status` shows what that saves and loses.
        dtype: What the model computes in on this machine: "auto" (None, too), "float32", "bfloat16", "float16", or
            "int8" once `lateral quantize` has brought it there; see `lateral.retrievers.models.load_bi_encoder`. No
            index remembers it. An encoder of your own has its own.

    Raises:
        InvalidArgumentError: The store, the format or the dtype is none of these.

    Source:
        Reimers & Gurevych 2019, Sentence-BERT, section 3.
    """

    name = NAME

    def __init__(
        self,
        model: str = DEFAULT_BI_ENCODER,
        *,
        encoder: Encoder | None = None,
        store: str | None = None,
        vectors: str | None = None,
        dtype: str | None = None,
    ) -> None:
        if isinstance(encoder, TokenEncoder):
            raise InvalidArgumentError(
                f"the bi-encoder retriever needs an encoder of one vector a text, got {type(encoder).__name__}, which "
                "gives one a token: use it with ColBERTRetriever"
            )
        self._encoder = encoder
        self._store = None if store is None else check_store(store)
        self.format = None if vectors is None else check_format(vectors)
        self._chroma: ChromaSearch | None = None
        self._model = model if encoder is None else encoder.space.model
        self._dtype = check_compute(dtype)
        self._index: Index | None = None
        self._checked = False
        self._lock = threading.Lock()

    @property
    def encoder(self) -> Encoder:
        """The encoder; the model is looked for when it is first asked for, and loaded when it first encodes.

        Raises:
            ModelNotFoundError: The model can't be had.
        """
        with self._lock:
            if self._encoder is None:
                self._encoder = load_bi_encoder(self._model, dtype=self._dtype)
            return self._encoder

    @property
    def settings(self) -> Mapping[str, str]:
        """The model's name; the store and the vectors' format if they were asked for."""
        store = {} if self._store is None else {"store": self._store}
        form = {} if self.format is None else {"vectors": self.format}
        return {"model": lasting_name(self._model), **store, **form}

    @cached_property
    def score_scale(self) -> ScoreScale:
        """From the encoder's background to 1; see `similarity_scale`."""
        return similarity_scale(self.encoder)

    def attach(self, index: Index) -> None:
        """Tells it which index to search.

        Raises:
            IndexConfigError: It serves another one already.
        """
        self._index, self._checked = attached(self._index, index, self.name), False

    def retrieve(self, query: str, top_k: int, where: Where | None = None) -> list[Hit]:
        """Returns the chunks whose vectors are nearest to the query's.

        Args:
            query: The question.
            top_k: How many hits at most.
            where: A filter; see `lateral.retrievers.filters`.

        Raises:
            InvalidArgumentError: top_k is below 1, or the filter is wrong.
            EncoderMismatchError: The index's vectors were made by another model, or by this one set up otherwise.
            ModelNotFoundError: The model can't be had.
        """
        check_top_k(top_k)
        with opened(self._index, self.name).read() as snapshot:
            allowed = snapshot.allowed(where)
            if not query.strip() or not len(snapshot.chunk_ids()):
                return []
            # Segments are opened before the model is looked for, which may take minutes: a writer may replace them.
            exact = snapshot.cached(
                self.name, lambda: ExactSearch(snapshot.vectors(self._space(snapshot)), len(snapshot.chunk_ids()))
            )
            self._check_space(snapshot)
            vector = np.asarray(self.encoder.encode_queries([query])[0], np.float32)
            check_normalised(vector, self.encoder.space.model)
            # Through Chroma a filter would lose hits, or take longer than comparing every allowed vector does.
            found = None if allowed is not None else self._search(snapshot, exact, vector, top_k)
            positions, scores = exact.search(vector, top_k, allowed) if found is None else found
            return hits_at(snapshot, self.name, positions.tolist(), scores.tolist())

    def explain(self, query: str, node: Node) -> Explanation:
        """Returns how far the cosine falls when a sentence of the node is left out; see `leave_one_out`."""
        return leave_one_out(self.encoder, query, node)

    def refresh(self, writer: Writer) -> None:
        """Merges vector segments where that pays, and brings what Chroma holds up to date; loads no model."""
        writer.merge_segments()
        with opened(self._index, self.name).read() as snapshot:
            made = _made(self.name, snapshot.config())
            if made is not None and made.space is not None:
                self._approximate(made).refresh(writer, snapshot, made.space)

    def find_problems(self, snapshot: Snapshot, published: Mapping[str, bool]) -> list[Problem]:
        """Returns what is wrong with what Chroma holds; see `lateral.retrievers.store.verify.SelfChecking`."""
        made = _made(self.name, snapshot.config())
        if made is None or made.space is None:
            return []
        return self._approximate(made).find_problems(snapshot, made.space, published)

    def _search(
        self, snapshot: Snapshot, exact: ExactSearch, vector: NDArray[np.float32], top_k: int
    ) -> Positions | None:
        made = snapshot.cached(f"{self.name}/made", lambda: _made(self.name, snapshot.config()))
        return self._approximate(made).search(snapshot, exact, vector, top_k)

    def _approximate(self, made: RetrieverConfig | None) -> ChromaSearch:
        """Returns what searches through Chroma: as this retriever says, else as the index was made."""
        store = self._store or (made.settings.get("store") if made is not None else None) or "auto"
        with self._lock:
            if self._chroma is None or self._chroma.store != store:
                self._chroma = ChromaSearch(store, DERIVED if self.name == NAME else f"{DERIVED}-{self.name}")
            return self._chroma

    def _space(self, snapshot: Snapshot) -> VectorSpace:
        made = _made(self.name, snapshot.config())
        return self.encoder.space if made is None or made.space is None else made.space

    def _check_space(self, snapshot: Snapshot) -> None:
        if self._checked:
            return
        made = _made(self.name, snapshot.config())
        if made is not None and made.space is not None:
            check_space(self.encoder, made.space)
        self._checked = True


def _made(name: str, config: IndexConfig | None) -> RetrieverConfig | None:
    """Returns how the index was made for the retriever of this name."""
    return next((it for it in config.retrievers if it.name == name), None) if config else None


def check_space(encoder: Encoder | TokenEncoder, space: VectorSpace) -> None:
    """Raises unless the encoder's vectors can be compared with the index's.

    Raises:
        EncoderMismatchError: The fingerprints of the two vector spaces differ.
    """
    if encoder.space.fingerprint != space.fingerprint:
        raise EncoderMismatchError(
            f"the index holds vectors of {space.model!r} (space {space.fingerprint[:12]}), and {encoder.space.model!r} "
            f"makes vectors of another space ({encoder.space.fingerprint[:12]}): use the model that the index was made "
            "with, or make a new index"
        )


RETRIEVER = BiEncoderRetriever

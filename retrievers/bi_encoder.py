"""Exact search over one vector a chunk."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import EncoderMismatchError
from .hit import Hit, check_top_k
from .indexed import hits_at, opened
from .models import DEFAULT_BI_ENCODER, load_bi_encoder
from .retriever import Encoder, VectorSpace, Where
from .store import Index, SegmentRows, Snapshot, Writer
from .top import top_positions

__all__ = ["RETRIEVER", "BiEncoderRetriever", "check_space"]


class BiEncoderRetriever:
    """Dense search: which chunks mean what the query means.

    Scores are cosine similarities, in [-1, 1]. The search is exact: every allowed chunk's vector is compared, in
    float32, straight from the index's memory-mapped segments, on all cores. An empty query has no hits.

    Args:
        model: A model's name or folder; see `lateral.retrievers.models`.
        encoder: An encoder of your own in place of a model.

    Source:
        Reimers & Gurevych 2019, Sentence-BERT, section 3.
    """

    name = "bi-encoder"

    def __init__(self, model: str = DEFAULT_BI_ENCODER, *, encoder: Encoder | None = None) -> None:
        self._encoder = encoder
        self._model = model if encoder is None else encoder.space.model
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
                self._encoder = load_bi_encoder(self._model)
            return self._encoder

    @property
    def settings(self) -> Mapping[str, str]:
        """The model's name."""
        return {"model": self._model}

    def attach(self, index: Index) -> None:
        """Tells it which index to search."""
        self._index, self._checked = index, False

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
            self._check_space(snapshot)
            # Segments are opened before the model is loaded, which takes seconds: a writer may replace them meanwhile.
            segments = snapshot.cached(self.name, lambda: snapshot.vectors(self.encoder.space))
            scores = _cosines(segments, self.encoder.encode_queries([query])[0], len(snapshot.chunk_ids()))
            positions = top_positions(scores, top_k, allowed)
            return hits_at(snapshot, self.name, positions.tolist(), scores[positions].tolist())

    def refresh(self, writer: Writer) -> None:
        """Merges vector segments where that pays; exact search needs nothing else."""
        writer.merge_segments()

    def _check_space(self, snapshot: Snapshot) -> None:
        if self._checked:
            return
        config = snapshot.config()
        for retriever in config.retrievers if config else ():
            if retriever.name == self.name and retriever.space is not None:
                check_space(self.encoder, retriever.space)
        self._checked = True


def _cosines(segments: Sequence[SegmentRows], query: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Returns the cosine of every chunk, float32, shape (count,), in the order of `chunk_ids`."""
    scores = np.empty(count, np.float32)
    for vectors, rows, positions in segments:
        scores[positions] = (vectors @ query)[rows]
    return np.clip(scores, -1, 1, out=scores)  # rounding gives 1.0000001; NaN stays NaN, and is refused


def check_space(encoder: Encoder, space: VectorSpace) -> None:
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

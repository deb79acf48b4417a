"""Reordering by a cross-encoder, which reads query and passage together."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from ..arguments import check_positive
from ..errors import InvalidArgumentError
from ..loaders.indexed_text import indexed_text
from ..retrievers.hit import Hit, check_top_k
from ..retrievers.models.backend import Backend
from ..retrievers.models.compute import DType
from .reranker import DEFAULT_CANDIDATES, reranked
from .windows import PairWindows

if TYPE_CHECKING:
    from ..retrievers.models.cross_encoder import CrossEncoderCheckpoint, PairScorer

__all__ = ["RERANKER", "CrossEncoderReranker", "ScoreActivation"]

ScoreActivation: TypeAlias = Literal["auto", "sigmoid", "none"]

NAME = "cross-encoder"


class CrossEncoderReranker:
    """Scores each passage together with the query, in one pass through a transformer for each pair.

    It is the most exact of the four ways to match and costs the most: time grows linearly with the candidates. Hits are
    read as they were indexed, under their line of context. A passage that is too long for the model beside the query is
    read in overlapping windows and scores by the best of them; nothing of it is left out. A query that is longer than
    half of what the model reads is cut to that half. A text that stands in several hits is scored once.

    Scores are in [0, 1] where the model's files ask for a sigmoid (the default of sentence-transformers) and logits, in
    (-inf, inf), where they ask for none, as those of ms-marco-MiniLM do; `activation` decides otherwise. Higher is
    better; equal scores keep the order in which the hits came. An empty query has no hits, and no hits stay none.

    Args:
        model: A cross-encoder of one score, a name or a folder, such as "cross-encoder/ms-marco-MiniLM-L6-v2". It is
            looked for in the local cache and on the hub, when it is first used. Code that a model brings along is never
            run.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the best there is.
        dtype: What to compute in: "float32", "bfloat16" or "float16"; "auto" is 16 bits where CPU or GPU has them.
        backend: "torch", "openvino", or "auto"; see `lateral.retrievers.models.cross_encoder.load_cross_encoder`.
        activation: "auto" for the model's own, "sigmoid" for scores in [0, 1], "none" for logits.
        candidates: How many hits it wants to be given to choose from; the pipeline gives it more where more are asked
            for. 50 unless told.

    Raises:
        InvalidArgumentError: The model's name is empty, the activation is none of these, or candidates is below 1.
            Device, dtype and backend are looked at when the model is first used.

    Source:
        Nogueira & Cho 2019, Passage Re-ranking with BERT (arXiv:1901.04085). The best of several windows: Dai & Callan
        2019, Deeper Text Understanding for IR (arXiv:1905.09217), "MaxP"; here with windows as long as the model reads.
    """

    name = NAME

    def __init__(
        self,
        model: str,
        *,
        device: str | None = None,
        dtype: DType = "auto",
        backend: Backend = "auto",
        activation: ScoreActivation = "auto",
        candidates: int = DEFAULT_CANDIDATES,
    ) -> None:
        if not isinstance(model, str) or not model.strip():
            raise InvalidArgumentError(f"a cross-encoder's name or folder must be a string with content, got {model!r}")
        if activation not in get_args(ScoreActivation):
            raise InvalidArgumentError(
                f"activation must be one of {', '.join(get_args(ScoreActivation))}, got {activation!r}"
            )
        self.model = model
        self.candidates = check_positive("candidates", candidates)
        self._device = device
        self._dtype: DType = dtype
        self._backend: Backend = backend
        self._activation = activation
        self._scorer: PairScorer | None = None
        self._windows: PairWindows | None = None
        self._lock = threading.Lock()

    def rerank(self, query: str, hits: Sequence[Hit], top_k: int) -> list[Hit]:
        """Returns the best of the hits, each with the cross-encoder's step in its trail.

        Args:
            query: The question.
            hits: Candidates, all of which are scored; not changed.
            top_k: How many to return at most.

        Raises:
            InvalidArgumentError: top_k is below 1, or a node stands among the hits twice.
            EncodingError: The model gave NaN or infinity.
            ModelNotFoundError: The model can't be had, or is no cross-encoder of one score.
        """
        check_top_k(top_k)
        if not query.strip() or not hits:
            return []
        return reranked(self.name, hits, self.score(query, [indexed_text(hit.node) for hit in hits]), top_k=top_k)

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Returns how well each text matches the query, on the scale that the class states.

        Raises:
            EncodingError: The model gave NaN or infinity.
            ModelNotFoundError: The model can't be had, or is no cross-encoder of one score.
        """
        scorer, windows = self._ready()
        distinct = list(dict.fromkeys(texts))
        asked, pieces = windows.split(query, distinct)
        logits = scorer.logits([(asked, piece) for its in pieces for piece in its]).tolist()
        bounds = accumulate((len(its) for its in pieces), initial=0)
        best = [max(logits[start:end]) for start, end in pairwise(bounds)]
        scores = dict(zip(distinct, self._activated(best, scorer.checkpoint), strict=True))
        return [scores[text] for text in texts]

    def check_ready(self) -> None:
        """Raises now, before anything expensive, what the first use would raise for a model that is not served.

        Raises:
            ModelNotFoundError: The model can't be had, or is no cross-encoder of one score.
        """
        self._ready()

    def _ready(self) -> tuple[PairScorer, PairWindows]:
        """Returns what scores; the model's files are looked for the first time, its weights are not loaded yet."""
        from ..retrievers.models.cross_encoder import load_cross_encoder

        with self._lock:
            if self._scorer is None or self._windows is None:
                scorer = load_cross_encoder(self.model, device=self._device, dtype=self._dtype, backend=self._backend)
                self._activated([], scorer.checkpoint)
                self._windows = PairWindows(scorer.checkpoint)
                self._scorer = scorer
            return self._scorer, self._windows

    def _activated(self, logits: Iterable[float], checkpoint: CrossEncoderCheckpoint) -> list[float]:
        activation = checkpoint.activation if self._activation == "auto" else self._activation
        if activation is None:
            raise InvalidArgumentError(
                f"the model in {checkpoint.path} passes its scores through a function that is not known here: name "
                "activation='sigmoid' or activation='none'"
            )
        return [_sigmoid(logit) if activation == "sigmoid" else logit for logit in logits]


def _sigmoid(logit: float) -> float:
    """Returns 1 / (1 + exp(-logit)) without overflow; in 64 bits, so that large logits stay apart."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))


RERANKER = CrossEncoderReranker

"""BM25 over the chunks of an index."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import IndexCorruptError
from ..loaders.indexed_text import indexed_text
from ..loaders.node import Node
from .analysis import analyzer
from .bm25_library import load_bm25s
from .explanation import Explanation, chunk_position
from .hit import Hit, check_top_k
from .indexed import attached, hits_at, opened
from .retriever import Encoder, Where
from .score_scale import LEXICAL_SCALE
from .store import Index, Snapshot, Writer
from .term_weights import term_weights
from .top import top_positions

if TYPE_CHECKING:
    import bm25s

__all__ = ["RETRIEVER", "BM25Retriever"]

logger = logging.getLogger(__name__)

# np.load parses headers as Python, which Python 3.11 can't do in two threads at a time (SystemError).
LOADING = threading.Lock()

K1 = 1.5  # term saturation and length normalisation: bm25s' defaults, in the middle of the ranges that the source gives
B = 0.75
ARRAYS = ("data", "indices", "indptr")


class BM25Retriever:
    """Lexical search: which chunks hold the query's rare words, often, in few words.

    Scores are sums of BM25 term weights (Lucene's variant), in [0, inf); a chunk without any of the query's terms
    is no hit. An empty query, or one of stop words only, has no hits.

    Args:
        language: The language of the stemmer and the stop words, such as "english"; "none" takes words as they are.

    Raises:
        InvalidArgumentError: The language is unknown.

    Source:
        Robertson & Zaragoza 2009, The Probabilistic Relevance Framework: BM25 and Beyond, section 3; computed by bm25s.
    """

    name = "bm25"
    encoder: Encoder | None = None
    score_scale = LEXICAL_SCALE

    def __init__(self, language: str = "english") -> None:
        self._terms = analyzer(language)
        self._language = language
        self._index: Index | None = None

    @property
    def settings(self) -> Mapping[str, str]:
        """The language."""
        return {"language": self._language}

    def attach(self, index: Index) -> None:
        """Tells it which index to search.

        Raises:
            IndexConfigError: It serves another one already.
        """
        self._index = attached(self._index, index, self.name)

    def retrieve(self, query: str, top_k: int, where: Where | None = None) -> list[Hit]:
        """Returns the chunks with the highest BM25 scores.

        Args:
            query: The question or keywords.
            top_k: How many hits at most.
            where: A filter; see `lateral.retrievers.filters`.

        Raises:
            InvalidArgumentError: top_k is below 1, or the filter is wrong.
            IndexCorruptError: The catalog has lost chunks.
        """
        check_top_k(top_k)
        terms = self._terms(query)
        with opened(self._index, self.name).read() as snapshot:
            allowed = snapshot.allowed(where)
            model = self._model(snapshot)
            known = [] if model is None else model.get_tokens_ids(terms)
            if model is None or not known:
                return []
            scores = model.get_scores_from_ids(known)
            positions = top_positions(scores, top_k, allowed, above=0.0)
            return hits_at(snapshot, self.name, positions.tolist(), scores[positions].tolist())

    def refresh(self, writer: Writer) -> None:
        """Builds the index of terms for the newest generation and swaps it in."""

        def build(folder: Path) -> None:
            with opened(self._index, self.name).read() as snapshot:
                if (model := self._build(snapshot)) is not None:
                    model.save(folder, show_progress=False)

        writer.publish(self.name, build)

    def explain(self, query: str, node: Node) -> Explanation:
        """Returns the weight of each of the query's words in a chunk of the index.

        Args:
            query: The question or keywords.
            node: A chunk of the index.

        Returns:
            The method is "bm25", the total the score that `retrieve` gives; see `lateral.retrievers.term_weights`.

        Raises:
            InvalidArgumentError: The index has no such chunk: a weight depends on all of them.
            IndexCorruptError: The catalog has lost chunks.
        """
        with opened(self._index, self.name).read() as snapshot:
            position = chunk_position(snapshot, node.id)
            text = indexed_text(snapshot.nodes([node.id])[0])
            model = self._model(snapshot)
        return term_weights(model, self._language, query=query, text=text, chunk=(node.id, position))

    def _model(self, snapshot: Snapshot) -> bm25s.BM25 | None:
        """Returns the index of terms over the chunks of the catalog, None when they have no term at all."""
        model = snapshot.cached(self.name, lambda: self._load(snapshot))
        if model is not None and (held := model.scores["num_docs"]) != (chunks := len(snapshot.chunk_ids())):
            raise IndexCorruptError(f"bm25 has {held} chunks, the catalog {chunks}: run `lateral verify`")
        return model

    def _load(self, snapshot: Snapshot) -> bm25s.BM25 | None:
        """Returns the published index of terms, or one built here when none fits this generation."""
        folder = snapshot.derived(self.name)
        try:
            if folder is not None and any(folder.iterdir()):
                with LOADING:
                    model: bm25s.BM25 = load_bm25s().BM25.load(folder, mmap=True, show_progress=False)
                # Plain arrays over the same memory: a slice of a memmap takes as long as to add up a rare term.
                model.scores.update({name: np.asarray(model.scores[name]) for name in ARRAYS})
                return model
        except FileNotFoundError:
            logger.info("'%s' was replaced while it was opened", folder)
        return self._build(snapshot)

    def _build(self, snapshot: Snapshot) -> bm25s.BM25 | None:
        """Returns an index of terms over all chunks in the order of their ids, None where there is no term at all."""
        corpus = [self._terms(indexed_text(node)) for node in snapshot.chunks()]
        if not any(corpus):
            return None
        model: bm25s.BM25 = load_bm25s().BM25(k1=K1, b=B, method="lucene")
        model.index(corpus, show_progress=False)
        return model


RETRIEVER = BM25Retriever

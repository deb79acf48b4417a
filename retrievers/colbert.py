"""Late interaction over ColBERT checkpoints: every token of the query finds its best match in the node."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgumentError
from ..loaders.indexed_text import indexed_text
from ..loaders.node import Node
from .bi_encoder import check_space
from .explanation import Explanation, Part
from .hit import Hit, check_top_k
from .indexed import attached, hits_at, opened, storage_space
from .maxsim import DEFAULT_CACHE_BYTES, MaxSimSearch, token_segment
from .models import lasting_name
from .models.colbert import ColbertBackend, load_colbert
from .retriever import TokenEncoder, VectorSpace, Where
from .store import Index, Snapshot, Writer
from .store.formats import VectorFormat, check_format
from .token_pooling import PooledEncoder, check_pool_factor

__all__ = ["RETRIEVER", "ColBERTRetriever"]


class ColBERTRetriever:
    """ColBERT: a node scores by how well each of the query's tokens is matched by any of its own.

    The score is the mean similarity of the query's tokens to their best matches, in [-1, 1]: MaxSim divided by their
    number, which does not change the order and can be compared between queries. Search is exact over the index's own
    vectors; a filter comes before the top_k. An empty query has no hits, and neither has a node without tokens.

    Args:
        model: A checkpoint's folder or name, such as "colbert-ir/colbertv2.0"; see
            `lateral.retrievers.models.colbert.load.load_colbert`.
        backend: What runs it. All make the same vectors.
        encoder: An encoder of your own in place of a checkpoint.
        vectors: How a new index stores token vectors: "float32", "float16", "int8" or "binary"; None: as the index was
            made, float16 for a new one.
        pool_factor: How many of a document's token vectors become one: 2 halves the index; see
            `lateral.retrievers.token_pooling.pool_tokens`. A new index remembers it.
        cache_bytes: How much memory a copy of the vectors as bytes may take, which searches are faster with.

    Raises:
        InvalidArgumentError: There is neither a model nor an encoder, the format is none, or pool_factor is below 1.

    Source:
        Khattab & Zaharia 2020, ColBERT, section 3.
    """

    name = "colbert"
    default_format: VectorFormat = "float16"

    def __init__(
        self,
        model: str | None = None,
        *,
        backend: ColbertBackend = "auto",
        encoder: TokenEncoder | None = None,
        vectors: str | None = None,
        pool_factor: float | str = 1,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> None:
        if model is None and encoder is None:
            raise InvalidArgumentError(
                "the colbert retriever needs a checkpoint: name one, such as 'colbert-ir/colbertv2.0', or its folder"
            )
        if encoder is not None and not isinstance(encoder, TokenEncoder):
            raise InvalidArgumentError(
                f"the colbert retriever needs token vectors, from a TokenEncoder, got {type(encoder).__name__}"
            )
        self._model = model if encoder is None else encoder.space.model
        self._encoder = encoder
        self._backend = backend
        self.format = None if vectors is None else check_format(vectors)
        self._pool_factor = check_pool_factor(pool_factor)
        self._cache_bytes = cache_bytes
        self._pooled: TokenEncoder | None = None
        self._index: Index | None = None
        self._lock = threading.Lock()

    @property
    def encoder(self) -> TokenEncoder:
        """The encoder; the checkpoint is looked for when it is first asked for, and loaded when it first encodes.

        Raises:
            ModelNotFoundError: The checkpoint can't be had.
        """
        with self._lock:
            if self._pooled is None:
                encoder = self._encoder or load_colbert(str(self._model), backend=self._backend)
                self._pooled = encoder if self._pool_factor == 1 else PooledEncoder(encoder, self._pool_factor)
            return self._pooled

    @property
    def settings(self) -> Mapping[str, str]:
        """The checkpoint's name; the vectors' format if one was asked for; the pool factor unless it is 1."""
        form = {} if self.format is None else {"vectors": self.format}
        pooled = {} if self._pool_factor == 1 else {"pool_factor": f"{self._pool_factor:g}"}
        return {"model": lasting_name(str(self._model)), **form, **pooled}

    def attach(self, index: Index) -> None:
        """Tells it which index to search.

        Raises:
            IndexConfigError: It serves another one already.
        """
        self._index = attached(self._index, index, self.name)

    def retrieve(self, query: str, top_k: int, where: Where | None = None) -> list[Hit]:
        """Returns the chunks that match the query's tokens best.

        Args:
            query: The question.
            top_k: How many hits at most.
            where: A filter; see `lateral.retrievers.filters`.

        Raises:
            InvalidArgumentError: top_k is below 1, or the filter is wrong.
            EncoderMismatchError: The index's vectors were made by another checkpoint.
            ModelNotFoundError: The checkpoint can't be had.
        """
        check_top_k(top_k)
        with opened(self._index, self.name).read() as snapshot:
            allowed = snapshot.allowed(where)
            if not query.strip() or not len(snapshot.chunk_ids()):
                return []
            search = self._search(snapshot)
            matrix = self._query(query)
            if not len(matrix):
                return []
            positions, scores = search.search(matrix, top_k, allowed)
            means = np.clip(scores / len(matrix), -1, 1)  # what is stored may be a little longer than 1
            return hits_at(snapshot, self.name, positions.tolist(), means.tolist())

    def refresh(self, writer: Writer) -> None:
        """Merges vector segments where that pays; exact search needs nothing else."""
        writer.merge_segments()

    def explain(self, query: str, node: Node) -> Explanation:
        """Returns which of the node's tokens each of the query's tokens matched, how well, and for how much.

        Both are encoded for it, so a node that is in no index can be explained; what an index stores may differ by
        what its format loses. Tokens that stand for no part of a text, such as [MASK], are left out of the parts and
        count in the total.

        Args:
            query: The query.
            node: A chunk, as the index holds it.

        Returns:
            The method is "maxsim", the total the sum of all similarities, as Khattab & Zaharia have it.
        """
        text = indexed_text(node)
        asked, found = self._query(query), np.asarray(self.encoder.encode_documents([text])[0], np.float32)
        if not len(asked) or not len(found):
            return Explanation(query, node.id, "maxsim", (), 0.0)
        similarities = asked @ found.T
        best = similarities.argmax(axis=1)
        total = float(similarities.max(axis=1).sum())
        names, matched = self.encoder.tokens(query, "query"), self.encoder.tokens(text, "document")
        parts = tuple(
            Part(name, matched[place], float(row[place]), float(row[place]) / total if total else 0.0)
            for name, row, place in zip(names, similarities, best, strict=True)
            if name not in self.encoder.special_tokens
        )
        return Explanation(query, node.id, "maxsim", parts, total)

    def _query(self, query: str) -> NDArray[np.float32]:
        return np.asarray(self.encoder.encode_queries([query])[0], np.float32)

    def _search(self, snapshot: Snapshot) -> MaxSimSearch:
        def build() -> MaxSimSearch:
            segments = [token_segment(rows) for rows in snapshot.vectors(self._space(snapshot))]
            return MaxSimSearch(segments, len(snapshot.chunk_ids()), cache_bytes=self._cache_bytes)

        return snapshot.cached(self.name, build)

    def _space(self, snapshot: Snapshot) -> VectorSpace:
        config = snapshot.config()
        for made in config.retrievers if config else ():
            if made.name == self.name and made.space is not None:
                check_space(self.encoder, made.space)
                return made.space
        space = storage_space(self)
        assert space is not None  # it has an encoder
        return space


RETRIEVER = ColBERTRetriever

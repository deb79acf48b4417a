"""Late interaction over ColBERT checkpoints: every token of the query finds its best match in the node."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_not_negative
from ..errors import InvalidArgumentError
from ..loaders.node import Node
from .bi_encoder import check_space
from .candidates import CANDIDATES, EXACT_TOKENS_UP_TO
from .device_tokens import DeviceTokens, accelerator
from .explanation import Explanation
from .hit import Hit, check_top_k
from .indexed import attached, hits_at, opened, storage_space
from .maxsim import DEFAULT_CACHE_BYTES, MaxSimSearch, token_segment
from .models import lasting_name
from .models.colbert import ColbertBackend, load_colbert
from .retriever import TokenEncoder, Where
from .score_scale import ScoreScale, similarity_scale
from .shortlist import Shortlist
from .store import Index, RetrieverConfig, Snapshot, Writer
from .store.formats import VectorFormat, check_format
from .store.verify import Problem
from .token_matches import token_matches
from .token_pooling import PooledEncoder, check_pool_factor
from .unit_vectors import check_normalised

__all__ = ["RETRIEVER", "ColBERTRetriever"]


class ColBERTRetriever:
    """ColBERT: a node scores by how well each of the query's tokens is matched by any of its own.

    The score is the mean similarity of the query's tokens to their best matches, in [-1, 1]: MaxSim divided by their
    number, which does not change the order and can be compared between queries. Scores are exact, from the index's own
    vectors; a filter comes before the top_k. An empty query has no hits, and neither has a node without tokens. A query
    is read as far as the checkpoint says (its query_maxlen), and what is beyond is cut without a word; one of
    punctuation alone is matched like any other.

    Up to about four million token vectors every text is scored. Above, those are that come near by token vectors of
    less precision: `lateral status` shows how many of the best are among them. Those vectors are derived, and
    where they are missing or damaged search is exact. So it is with index="exact", and where a filter allows few texts.

    Where the encoder computes on a GPU ("cuda"), texts are looked through there too, as many as half of its free memory
    holds, and every one of these is scored; hits and scores are the CPU's. Where the GPU fails the CPU searches.

    With index="plaid", for corpora that exact search is slow for, RAGatouille's PLAID names the candidates, and their
    scores are computed from the index's own vectors as ever: what it misses is missing, and no score is approximate.
    PLAID is derived from the index: it is built of the stored vectors, checked before it is opened, and kept by whoever
    writes; few changes are searched exactly beside it, and where it is missing, behind, damaged or too small to be
    built, search is exact. It needs a C++ compiler, which runs once, for a minute and a half.

    Args:
        model: A checkpoint's folder or name, such as "colbert-ir/colbertv2.0"; see
            `lateral.retrievers.models.colbert.load.load_colbert`.
        backend: What runs it. All make the same vectors.
        encoder: An encoder of your own in place of a checkpoint.
        vectors: How a new index stores token vectors: "float32", "float16", "int8" or "binary"; None: as the index was
            made, float16 for a new one.
        pool_factor: How many of a document's token vectors become one: 2 halves the index; see
            `lateral.retrievers.token_pooling.pool_tokens`. A new index remembers it.
        candidates: How many texts are scored exactly in an index of more than four million tokens, at least.
        index: "exact" or "plaid"; None: as the index was made, and as said above for a new one. An index that was made
            otherwise moves with the next write: no vector is encoded again.
        bits: How many PLAID keeps of each dimension, beside its centroids: 1, 2 or 4; None: as the index was made, 2
            for a new one.
        cache_bytes: How much memory token vectors may take between searches, at a byte a dimension. Where those of an
            index take more, each search reads them anew.

    Raises:
        InvalidArgumentError: There is neither a model nor an encoder, the format is none, pool_factor or candidates
            is below 1, cache_bytes below 0, index or bits is none of those offered, or bits are said without
            index="plaid".

    Source:
        Khattab & Zaharia 2020, ColBERT, section 3; Santhanam et al. 2022, PLAID.
    """

    name = "colbert"
    default_format: VectorFormat = "float16"
    exact_up_to = EXACT_TOKENS_UP_TO

    def __init__(
        self,
        model: str | None = None,
        *,
        backend: ColbertBackend = "auto",
        encoder: TokenEncoder | None = None,
        vectors: str | None = None,
        pool_factor: float | str = 1,
        candidates: int = CANDIDATES,
        index: str | None = None,
        bits: int | str | None = None,
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
        self._shortlist = Shortlist(self.name, index, bits=bits, candidates=candidates, exact_up_to=self.exact_up_to)
        self._cache_bytes = check_not_negative("cache_bytes", cache_bytes)
        self._pooled: TokenEncoder | None = None
        self._computing: list[TokenEncoder] = []  # the encoder without pooling, once it is there
        self._on_device = DeviceTokens(partial(_place, self._computing))
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
                self._computing.append(encoder)
            return self._pooled

    @property
    def settings(self) -> Mapping[str, str]:
        """The checkpoint's name; the vectors' format and the kind of index if asked for; the pool factor unless 1."""
        form = {} if self.format is None else {"vectors": self.format}
        pooled = {} if self._pool_factor == 1 else {"pool_factor": f"{self._pool_factor:g}"}
        return {"model": lasting_name(str(self._model)), **form, **pooled, **self._shortlist.settings}

    @cached_property
    def score_scale(self) -> ScoreScale:
        """From the encoder's background to 1; see `similarity_scale`."""
        return similarity_scale(self.encoder)

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
            search = self._shortlist.search(snapshot, self._made_once(snapshot), self._search(snapshot))
            matrix = self._query(query)
            if not len(matrix):
                return []
            positions, scores = search(matrix, top_k, allowed)
            means = np.clip(scores / len(matrix), -1, 1)  # what is stored may be a little longer than 1
            order = np.lexsort((positions, -means))  # different sums may have one mean
            return hits_at(snapshot, self.name, positions[order].tolist(), means[order].tolist())

    def refresh(self, writer: Writer) -> None:
        """Merges vector segments where that pays, and brings what names candidates up to date; loads no model."""
        self._bring_up(writer, build=True)

    def keep_up(self, writer: Writer) -> bool:
        """Does the same but for building PLAID, which clusters all vectors anew; returns whether that is all.

        PLAID is built by `refresh`, at the end of a run. Until then what it was built of is searched exactly, too,
        where more has changed than it can be searched beside.
        """
        return self._bring_up(writer, build=False)

    def _bring_up(self, writer: Writer, *, build: bool) -> bool:
        """Returns whether everything is up to date then."""
        writer.merge_segments()
        with opened(self._index, self.name).read() as snapshot:
            made = self._made(snapshot)
            return made is None or self._shortlist.refresh(writer, snapshot, made, build=build)

    def check_ready(self) -> None:
        """Raises unless what the index derives for this retriever can be made here; called before it is promised.

        Raises:
            InvalidArgumentError: PLAID can't pack the checkpoint's vectors in so many bits.
            MissingExtraError: RAGatouille is not installed.
            MissingToolError: What compiles PLAID's C++ is missing.
        """
        self._shortlist.check_ready(lambda: self.encoder.space.dim)

    def find_problems(self, snapshot: Snapshot, published: Mapping[str, bool]) -> list[Problem]:
        """Returns what is missing of what names candidates; see `lateral.retrievers.store.verify.SelfChecking`."""
        made = self._made(snapshot)
        return [] if made is None else self._shortlist.find_problems(snapshot, made, published)

    def close(self) -> None:
        """Lets go of the files of what names candidates, and of a GPU's memory; the next search takes them again."""
        self._shortlist.close()
        self._on_device.let_go()

    def explain(self, query: str, node: Node) -> Explanation:
        """Returns which of the node's tokens each of the query's tokens matched, how well, and for how much.

        Both are encoded for it, so a node that is in no index can be explained; what an index stores may differ by
        what its format loses. Tokens that stand for no part of a text, such as [MASK], are left out of the parts and
        count in the total.

        Args:
            query: The query.
            node: A chunk, as the index holds it.

        Returns:
            The method is "maxsim", the total the sum of all similarities, as Khattab & Zaharia have it; see
            `lateral.retrievers.token_matches`.
        """
        return token_matches(self.encoder, query, node)

    def _query(self, query: str) -> NDArray[np.float32]:
        vectors = np.asarray(self.encoder.encode_queries([query])[0], np.float32)
        check_normalised(vectors, self.encoder.space.model)
        return vectors

    def _search(self, snapshot: Snapshot) -> MaxSimSearch:
        made = self._made_once(snapshot)
        space = storage_space(self) if made is None or made.space is None else made.space
        assert space is not None  # it has an encoder

        def build() -> MaxSimSearch:
            segments = [token_segment(rows) for rows in snapshot.vectors(space)]
            chunks = len(snapshot.chunk_ids())
            return MaxSimSearch(segments, chunks, cache_bytes=self._cache_bytes, device=self._on_device)

        # By the segments: a generation's may be merged, and what names candidates is then of the merged ones.
        files = sorted(segment.file for _, segment in snapshot.segments())
        search = snapshot.cached("/".join([self.name, *files]), build)
        # The model is looked for, which may take minutes, when all files are open: a writer may replace them meanwhile.
        # And each time: what is cached may be what another retriever of this name searched.
        check_space(self.encoder, space)
        return search

    def _made(self, snapshot: Snapshot) -> RetrieverConfig | None:
        """Returns how the index was made for this retriever, as it is now: that may change within a generation."""
        config = snapshot.config()
        return next((it for it in config.retrievers if it.name == self.name), None) if config else None

    def _made_once(self, snapshot: Snapshot) -> RetrieverConfig | None:
        """Returns the same, as it was when this generation was first searched."""
        return snapshot.cached(f"{self.name}/made", lambda: self._made(snapshot))


def _place(computing: Sequence[TokenEncoder]) -> str | None:
    """Returns the GPU that the encoder computes on; it knows of no retriever, which so is freed with its vectors."""
    return accelerator(computing[0]) if computing else None


RETRIEVER = ColBERTRetriever

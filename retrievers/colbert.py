"""Late interaction over ColBERT checkpoints: every token of the query finds its best match in the node."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgumentError
from ..loaders.node import Node
from .bi_encoder import check_space
from .candidates import CANDIDATES, EXACT_TOKENS_UP_TO, Candidates, CandidateSearch, check_candidates
from .candidates_refresh import candidate_problems, refresh_candidates
from .device_tokens import DeviceTokens, accelerator
from .explanation import Explanation
from .hit import Hit, check_top_k
from .indexed import attached, hits_at, opened, storage_space
from .maxsim import MaxSimSearch, token_segment
from .models import lasting_name
from .models.colbert import ColbertBackend, load_colbert
from .plaid.index import PlaidIndex, check_bits, check_index
from .plaid.texts import Positions
from .retriever import TokenEncoder, VectorSpace, Where
from .score_scale import ScoreScale, similarity_scale
from .store import Index, RetrieverConfig, Snapshot, Writer
from .store.formats import VectorFormat, check_format
from .store.verify import Problem
from .token_matches import token_matches
from .token_pooling import PooledEncoder, check_pool_factor
from .unit_vectors import check_normalised

__all__ = ["RETRIEVER", "ColBERTRetriever"]

NAME = "colbert"
DERIVED = "plaid"

Search: TypeAlias = Callable[[NDArray[np.float32], int, NDArray[np.bool_] | None], Positions]


class ColBERTRetriever:
    """ColBERT: a node scores by how well each of the query's tokens is matched by any of its own.

    The score is the mean similarity of the query's tokens to their best matches, in [-1, 1]: MaxSim divided by their
    number, which does not change the order and can be compared between queries. Scores are exact, from the index's own
    vectors; a filter comes before the top_k. An empty query has no hits, and neither has a node without tokens.

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

    Raises:
        InvalidArgumentError: There is neither a model nor an encoder, the format is none, pool_factor or candidates
            is below 1, index or bits is none of those offered, or bits are said without index="plaid".

    Source:
        Khattab & Zaharia 2020, ColBERT, section 3; Santhanam et al. 2022, PLAID.
    """

    name = NAME
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
        self._candidates = check_candidates(candidates)
        self._near = Candidates(self.name, self.exact_up_to)
        self._kind = check_index(index)
        self._bits = None if bits is None else check_bits(bits, index)
        self._plaid: PlaidIndex | None = None
        self._pooled: TokenEncoder | None = None
        self._on_device: DeviceTokens | None = None
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
                self._on_device = DeviceTokens(partial(accelerator, encoder))
            return self._pooled

    @property
    def settings(self) -> Mapping[str, str]:
        """The checkpoint's name; the vectors' format and the kind of index if asked for; the pool factor unless 1."""
        form = {} if self.format is None else {"vectors": self.format}
        pooled = {} if self._pool_factor == 1 else {"pool_factor": f"{self._pool_factor:g}"}
        kind = {} if self._kind is None else {"index": self._kind}
        bits = {"bits": str(self._bits)} if self._kind == "plaid" and self._bits is not None else {}
        return {"model": lasting_name(str(self._model)), **form, **pooled, **kind, **bits}

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
            search = self._searching(snapshot)
            matrix = self._query(query)
            if not len(matrix):
                return []
            positions, scores = search(matrix, top_k, allowed)
            means = np.clip(scores / len(matrix), -1, 1)  # what is stored may be a little longer than 1
            return hits_at(snapshot, self.name, positions.tolist(), means.tolist())

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
        is_all = True
        writer.merge_segments()
        with opened(self._index, self.name).read() as snapshot:
            made = self._made(snapshot)
            if made is None or made.space is None:
                return True
            plaid = self._plaid_of(made)
            if plaid is None:
                writer.unpublish(self._derived)
            elif build:
                plaid.refresh(writer, snapshot, made.space)
            else:
                is_all = plaid.keep_up(writer, snapshot, made.space)
            candidates = self._candidates if self._kind_of(made) is None else None
            refresh_candidates(
                writer, self.name, snapshot, made.space, candidates=candidates, exact_up_to=self.exact_up_to
            )
        return is_all

    def check_ready(self) -> None:
        """Raises unless what the index derives for this retriever can be made here; called before it is promised.

        Raises:
            InvalidArgumentError: PLAID can't pack the checkpoint's vectors in so many bits.
            MissingExtraError: RAGatouille is not installed.
            MissingToolError: What compiles PLAID's C++ is missing.
        """
        if self._kind == "plaid":
            PlaidIndex(check_bits(self._bits, self._kind)).check_ready(self.encoder.space.dim)

    def find_problems(self, snapshot: Snapshot, published: Mapping[str, bool]) -> list[Problem]:
        """Returns what is missing of what names candidates; see `lateral.retrievers.store.verify.SelfChecking`."""
        made = self._made(snapshot)
        if made is None or made.space is None:
            return []
        plaid = self._plaid_of(made)
        if plaid is not None:
            return plaid.find_problems(snapshot, made.space, published)
        if self._kind_of(made) is not None:
            return []
        return candidate_problems(self.name, snapshot, made.space, published, exact_up_to=self.exact_up_to)

    def close(self) -> None:
        """Lets go of the files of what names candidates; the next search opens them again."""
        with self._lock:
            self._plaid = None
        self._near.close()

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
        space = self._space(snapshot)  # each time: what is cached may be what another retriever of this name searched

        def build() -> MaxSimSearch:
            segments = [token_segment(rows) for rows in snapshot.vectors(space)]
            return MaxSimSearch(segments, len(snapshot.chunk_ids()), device=self._on_device)

        # By the segments: a generation's may be merged, and what names candidates is then of the merged ones.
        files = sorted(segment.file for _, segment in snapshot.segments())
        return snapshot.cached("/".join([self.name, *files]), build)

    def _searching(self, snapshot: Snapshot) -> Search:
        """Returns what searches: exact search, or candidates or PLAID with exact search behind them."""
        exact = self._search(snapshot)
        made = snapshot.cached(f"{self.name}/made", lambda: self._made(snapshot))
        plaid = None if made is None else self._plaid_of(made)
        view = None if plaid is None or made is None or made.space is None else plaid.view(snapshot, made.space, exact)
        if view is None:
            near = self._near_of(snapshot, made, exact)
            return exact.search if near is None else near.search

        def search(query: NDArray[np.float32], top_k: int, allowed: NDArray[np.bool_] | None) -> Positions:
            return view.search(query, top_k, allowed) or exact.search(query, top_k, allowed)

        return search

    def _plaid_of(self, made: RetrieverConfig) -> PlaidIndex | None:
        """Returns PLAID, as this retriever says, else as the index was made; None where search is exact."""
        kind = self._kind_of(made)
        if kind != "plaid":
            return None
        bits = check_bits(self._bits or made.settings.get("bits"), kind)
        with self._lock:
            if self._plaid is None or self._plaid.bits != bits:
                self._plaid = PlaidIndex(bits, self._derived)
            return self._plaid

    @property
    def _derived(self) -> str:
        """The name of its PLAID index: another retriever of the index may have one too."""
        return DERIVED if self.name == NAME else f"{DERIVED}-{self.name}"

    def _kind_of(self, made: RetrieverConfig) -> str | None:
        """Returns "exact" or "plaid" as this retriever says, else as the index was made; None where neither says."""
        return self._kind or made.settings.get("index")

    def _near_of(self, snapshot: Snapshot, made: RetrieverConfig | None, exact: MaxSimSearch) -> CandidateSearch | None:
        """Returns what searches through candidates, None where search is exact."""
        if made is None or made.space is None or self._kind_of(made) is not None:
            return None
        return self._near.view(snapshot, made.space, exact, self._candidates)

    def _made(self, snapshot: Snapshot) -> RetrieverConfig | None:
        """Returns how the index was made for this retriever."""
        config = snapshot.config()
        return next((it for it in config.retrievers if it.name == self.name), None) if config else None

    def _space(self, snapshot: Snapshot) -> VectorSpace:
        made = snapshot.cached(f"{self.name}/made", lambda: self._made(snapshot))
        if made is not None and made.space is not None:
            check_space(self.encoder, made.space)
            return made.space
        space = storage_space(self)
        assert space is not None  # it has an encoder
        return space


RETRIEVER = ColBERTRetriever

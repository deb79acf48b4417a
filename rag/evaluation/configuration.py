"""One configuration: what is to be evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...arguments import check_positive
from ...errors import IndexConfigError, InvalidArgumentError
from ...rerankers.registry import NO_RERANKER, find_reranker, ready_reranker
from ...retrievers.hybrid import DEFAULT_FUSION, FUSIONS
from ...retrievers.registry import DEFAULT_RETRIEVERS, open_retriever
from ...retrievers.retriever import Retriever
from ..generators.generator import Generator
from ..indexing.setup import made_config
from ..pipeline import RAG

__all__ = ["DEFAULT_TOP_K", "Configuration"]

DEFAULT_TOP_K = 100  # recall@100 needs as many


@dataclass(frozen=True, slots=True)
class Configuration:
    """Retrievers, their fusion, and the reranker behind them; what is left out is the product's default.

    Args:
        retrievers: Their names. None: those of the index, or the defaults for a new one.
        fusion: How several are fused, "convex" or "rrf"; None for the default.
        reranker: "none", or a name with its model: "cross-encoder=MODEL".
        top_k: How many hits a query is asked for. Hits are chunks: units of judgement may be fewer.
        settings: For each retriever's name its constructor's arguments, such as {"bi-encoder": {"model": "..."}}.
        chunk_size: Tokens of a chunk at most, None for what the encoders read whole.
        chunk_overlap: Tokens that neighbouring chunks share at most, None for the default.
        rerank_depth: How many hits the reranker reads; None for what it asks for. Those behind keep their order when a
            ranking is judged; an answer is made of what was read.

    Raises:
        InvalidArgumentError: There is no fusion or reranker of this name, no retriever is named, top_k or rerank_depth
            is below 1, or there is no reranker for the latter.
    """

    retrievers: tuple[str, ...] | None = None
    fusion: str | None = None
    reranker: str = NO_RERANKER
    top_k: int = DEFAULT_TOP_K
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    chunk_size: int | None = None
    chunk_overlap: int | None = None
    rerank_depth: int | None = None

    def __post_init__(self) -> None:
        check_positive("top_k", self.top_k)
        if self.fusion not in (None, *FUSIONS):
            raise InvalidArgumentError(f"there is no fusion named {self.fusion!r}: {', '.join(FUSIONS)}")
        if self.reranker != NO_RERANKER:
            find_reranker(self.reranker)
        if self.rerank_depth is not None:
            check_positive("rerank_depth", self.rerank_depth)
            if self.reranker == NO_RERANKER:
                raise InvalidArgumentError("rerank_depth is for a reranker: name one, such as cross-encoder=MODEL")
        if self.retrievers is not None and not self.retrievers:
            raise InvalidArgumentError("retrievers must name at least one retriever, got none")

    def as_dict(self) -> dict[str, object]:
        """Returns the configuration as JSON values."""
        return {
            "retrievers": None if self.retrievers is None else list(self.retrievers),
            "fusion": self.fusion,
            "reranker": self.reranker,
            "top_k": self.top_k,
            "settings": {name: dict(its) for name, its in self.settings.items()},
            "chunk_size": self.chunk_size,
            "chunk_overlap": self.chunk_overlap,
            "rerank_depth": self.rerank_depth,
        }

    def open(self, folder: Path, *, generator: Generator | None = None) -> RAG:
        """Returns the pipeline over an index, which may hold more retrievers than this configuration names.

        Args:
            folder: The index directory; a new index is made by the first `add`.
            generator: Writes answers, None for the extractive default.

        Raises:
            IndexConfigError: The index lacks a retriever that is named, or was made with other settings.
            InvalidArgumentError: There are settings for a retriever that is not among those opened.
            ModelNotFoundError: The reranker's model can't be had.
        """
        made = made_config(folder)
        remembered = {it.name: it.settings for it in made.retrievers} if made else {}
        lacking = [name for name in self.retrievers or () if remembered and name not in remembered]
        if lacking:
            raise IndexConfigError(
                f"the index at '{folder}' holds {', '.join(remembered)}, and no {', '.join(lacking)}: "
                "name another folder"
            )
        names = tuple(remembered) or self.retrievers or DEFAULT_RETRIEVERS
        if unused := self.settings.keys() - set(names):
            raise InvalidArgumentError(f"there are settings for {min(unused)}, which is not among {', '.join(names)}")
        chosen: list[str | Retriever] = [
            open_retriever(name, {**remembered.get(name, {}), **self.settings[name]}) if name in self.settings else name
            for name in names
        ]
        return RAG(
            folder,
            retrievers=chosen,
            fusion=self.fusion or DEFAULT_FUSION,
            reranker=None if self.reranker == NO_RERANKER else ready_reranker(self.reranker, self.rerank_depth),
            generator=generator,
            chunk_size=self.chunk_size,
            chunk_overlap=self.chunk_overlap,
        )

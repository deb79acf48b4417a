"""From settings to a `RAG`."""

from __future__ import annotations

from ...errors import InvalidArgumentError
from ...rag.pipeline import RAG
from ...retrievers.registry import DEFAULT_RETRIEVERS, open_retriever
from ...retrievers.retriever import Retriever
from .settings import Settings

__all__ = ["build_rag"]


def build_rag(settings: Settings) -> RAG:
    """Returns a `RAG` as the settings ask for it; what they leave open, the index's catalog decides.

    Raises:
        InvalidArgumentError: A model or language is given for a retriever that is not among those chosen.
    """
    given = {"bi-encoder": {"model": settings.model}, "bm25": {"language": settings.language}}
    wanted = {name: {key: value for key, value in it.items() if value is not None} for name, it in given.items()}
    chosen: list[str | Retriever] | None = list(settings.retrievers) if settings.retrievers is not None else None
    if any(wanted.values()):
        names = settings.retrievers or list(DEFAULT_RETRIEVERS)
        for name, it in wanted.items():
            if it and name not in names:
                raise InvalidArgumentError(
                    f"{' and '.join(it)} set the {name} retriever, which is not among {', '.join(names)}"
                )
        chosen = [open_retriever(name, wanted[name]) if wanted.get(name) else name for name in names]
    return RAG(
        settings.index,
        retrievers=chosen,
        chunk_size=settings.chunk_size,
        chunk_overlap=settings.chunk_overlap,
    )

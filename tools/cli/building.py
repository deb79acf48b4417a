"""From settings and flags to a `RAG`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...arguments import check_positive
from ...errors import InvalidArgumentError
from ...rag.generators.generator import Generator
from ...rag.indexing.setup import made_config
from ...rag.pipeline import RAG
from ...rerankers.registry import NO_RERANKER, ready_reranker
from ...rerankers.reranker import Reranker
from ...retrievers.registry import DEFAULT_RETRIEVERS, open_retriever
from ...retrievers.retriever import Retriever
from ...retrievers.store import IndexConfig
from .settings import Settings

__all__ = ["MAKING", "build_generator", "build_rag", "rerank_depth"]

# The settings that build a retriever: its name, and the argument that they are.
SETS = {
    "model": ("bi-encoder", "model"),
    "store": ("bi-encoder", "store"),
    "vectors": ("bi-encoder", "vectors"),
    "dtype": ("bi-encoder", "dtype"),
    "language": ("bm25", "language"),
    "colbert": ("colbert", "model"),
    "colbert_vectors": ("colbert", "vectors"),
    "colbert_index": ("colbert", "index"),
    "colbert_bits": ("colbert", "bits"),
}
MAKING = ("retrievers", *SETS, "chunk_size", "chunk_overlap")  # the settings that make an index


def build_rag(
    settings: Settings, flags: Mapping[str, Any], *, generator: Generator | None = None, reranking: bool = False
) -> RAG:
    """Returns a `RAG` as the settings ask for it.

    An index that is there was made once: its catalog says how, and settings from files and the environment are for new
    ones. A flag that differs from the catalog is an error, raised when the `RAG` is used.

    Args:
        settings: From files, environment and flags.
        flags: What was given on the command line.
        generator: Writes answers, None for the extractive default.
        reranking: Whether the command searches, and so needs the reranker.

    Raises:
        InvalidArgumentError: A flag sets a retriever that is not among those chosen, or there is no such fusion or
            reranker.
        ModelNotFoundError: The reranker's model can't be had.
    """
    given = {name: flags.get(name) for name in MAKING}
    made = made_config(settings.index)
    making: dict[str, Any] = (
        {name: getattr(settings, name) for name in MAKING} if made is None else {**given, "dtype": settings.dtype}
    )
    return RAG(
        settings.index,
        retrievers=_retrievers(making, given, made),
        fusion=settings.fusion,
        reranker=_reranker(settings, flags) if reranking else None,
        generator=generator,
        strict=settings.strict,
        chunk_size=making["chunk_size"],
        chunk_overlap=making["chunk_overlap"],
    )


def build_generator(settings: Settings, flags: Mapping[str, Any]) -> Generator | None:
    """Returns the generator that the settings name, None for the extractive default.

    Args:
        settings: From files, environment and flags.
        flags: What was given on the command line: a server that a file or the environment keeps for another day is no
            error without a model.

    Raises:
        InvalidArgumentError: A server is named or strictness asked for, but no model; or the key is missing.
    """
    if settings.generator is None:
        if flags.get("base_url") is not None or flags.get("strict"):
            raise InvalidArgumentError("--base-url and --strict are for a chat model: name it with --generator MODEL")
        return None
    from ...rag.generators.openai_chat import OpenAIGenerator

    return OpenAIGenerator(settings.generator, base_url=settings.base_url, api_key_env=settings.api_key_env)


def rerank_depth(settings: Settings, flags: Mapping[str, Any]) -> int | None:
    """Returns how many hits the reranker reads, None for what it asks for.

    Args:
        settings: From files, environment and flags.
        flags: What was given on the command line: a depth that a file keeps is no error without a reranker.

    Raises:
        InvalidArgumentError: It is below 1, or a flag and there is no reranker.
    """
    if settings.rerank == NO_RERANKER:
        if flags.get("rerank_depth") is not None:
            raise InvalidArgumentError("--rerank-depth is for a reranker: name one, as in --rerank cross-encoder=MODEL")
        return None
    return None if settings.rerank_depth is None else check_positive("rerank_depth", settings.rerank_depth)


def _reranker(settings: Settings, flags: Mapping[str, Any]) -> Reranker | None:
    depth = rerank_depth(settings, flags)
    if settings.rerank == NO_RERANKER:
        return None
    return ready_reranker(settings.rerank, depth)


def _retrievers(
    making: Mapping[str, Any], given: Mapping[str, Any], made: IndexConfig | None
) -> list[str | Retriever] | None:
    """Returns the retrievers to open, None to leave them to the catalog or the defaults."""
    remembered = {it.name: it.settings for it in made.retrievers} if made else {}
    names = making["retrievers"] or list(remembered or DEFAULT_RETRIEVERS)
    if making["colbert"] is not None and not making["retrievers"] and not remembered:
        names.append("colbert")  # who names a checkpoint wants it used
    for key, (name, _) in SETS.items():
        if given[key] is not None and name not in names:
            flag = key.replace("_", "-")
            raise InvalidArgumentError(f"--{flag} sets the {name} retriever, which is not among {', '.join(names)}")
    if all(making[key] is None for key in ("retrievers", *SETS)):
        return None
    wanted: dict[str, dict[str, str]] = {}
    for key, (name, argument) in SETS.items():
        if making[key] is not None:
            wanted.setdefault(name, dict(remembered.get(name, {})))[argument] = str(making[key])
    asked = wanted.get("colbert", {})
    if making["colbert_bits"] is None and asked.get("index") == "exact":
        asked.pop("bits", None)  # those of the PLAID index that it moves from
    return [open_retriever(name, wanted[name]) if name in wanted else name for name in names]

"""How an index is made: its retrievers and chunking, from the caller, the catalog or the defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from ...errors import IndexConfigError, IndexNotFoundError, InvalidArgumentError
from ...loaders.chunking import DEFAULT_CHUNK_OVERLAP, DEFAULT_CHUNK_SIZE, Chunker, default_count_tokens
from ...retrievers.indexed import IndexedRetriever, is_indexed, storage_space
from ...retrievers.registry import DEFAULT_RETRIEVERS, open_retriever
from ...retrievers.retriever import Retriever
from ...retrievers.store import Index, IndexConfig, RetrieverConfig

__all__ = [
    "RetrieverChoice",
    "check_chunking",
    "choose_retrievers",
    "indexed",
    "made_config",
    "make_chunker",
    "make_config",
    "move_stores",
]

RetrieverChoice: TypeAlias = str | Retriever


# Settings that no vector depends on, so that an index can move to others; those of a group go together.
MOVABLE = (("store",), ("index", "bits"))
MAX_CHUNK_SIZE = 512  # by default, for encoders that read more: a passage stays short enough to be cited and read


def made_config(folder: Path) -> IndexConfig | None:
    """Returns how the index was made, None where there is none or it holds no document: it may be made anew.

    Raises:
        StoreError: There is something that can't be read.
    """
    try:
        with Index(folder).read() as snapshot:
            return snapshot.config() if snapshot.count("FROM documents") else None
    except IndexNotFoundError:
        return None


def choose_retrievers(chosen: Sequence[RetrieverChoice] | None, config: IndexConfig | None) -> list[Retriever]:
    """Returns the retrievers of an index.

    Args:
        chosen: Names or objects of the caller; None for those that the index was made with, or the defaults.
        config: How the index was made, None for a new one.

    Raises:
        IndexConfigError: The index was made with other retrievers, or with other settings of one.
        InvalidArgumentError: There is no retriever of a name, or none is chosen.
    """
    if chosen is not None and not chosen:
        raise InvalidArgumentError("retrievers must name at least one retriever, got none")
    if chosen is not None:
        _refuse_repeats(chosen)
    if config is None:
        return [open_retriever(it) if isinstance(it, str) else it for it in chosen or DEFAULT_RETRIEVERS]
    if chosen is None:
        return [open_retriever(it.name, it.settings) for it in config.retrievers]
    _check_names(chosen, config)
    remembered = {it.name: it for it in config.retrievers}
    retrievers: list[Retriever] = []
    for it in chosen:
        if isinstance(it, str):
            retrievers.append(open_retriever(it, remembered[it].settings))
            continue
        if is_indexed(it):
            _check_settings(it, remembered[it.name])
        retrievers.append(it)
    return retrievers


def check_chunking(config: IndexConfig, chunk_size: int | None, chunk_overlap: int | None) -> None:
    """Raises when the caller asks for other chunks than the index is made of.

    Raises:
        IndexConfigError: A given size differs from the index's.
    """
    for name, given, made in (
        ("chunk_size", chunk_size, config.chunk_size),
        ("chunk_overlap", chunk_overlap, config.chunk_overlap),
    ):
        if given is not None and given != made:
            raise IndexConfigError(
                f"the index was made with {name}={made}, got {given}: leave it out, or make a new index"
            )


def move_stores(config: IndexConfig, retrievers: Sequence[Retriever]) -> IndexConfig:
    """Returns how the index is made, with the stores that these retrievers name: no vector depends on its store.

    Raises:
        LateralError: A retriever can't derive here what its store needs; nothing is changed then.
    """
    named = {it.name: it for it in indexed(retrievers)}
    return replace(config, retrievers=tuple(_moved(it, named.get(it.name)) for it in config.retrievers))


def make_config(retrievers: Sequence[Retriever], chunk_size: int | None, chunk_overlap: int | None) -> IndexConfig:
    """Returns the configuration of a new index.

    If the caller says nothing else, a chunk is as long as the encoder with the shortest limit reads whole, but at most
    512 tokens.

    Raises:
        LateralError: A retriever can't derive here what it needs.
    """
    for it in indexed(retrievers):
        _check_ready(it)
    encoders = [it.encoder for it in indexed(retrievers) if it.encoder is not None]
    whole = min([it.max_tokens for it in encoders], default=DEFAULT_CHUNK_SIZE)
    size = chunk_size if chunk_size is not None else min(whole, MAX_CHUNK_SIZE)
    overlap = chunk_overlap if chunk_overlap is not None else min(DEFAULT_CHUNK_OVERLAP, size // 2)
    return IndexConfig(
        retrievers=tuple(RetrieverConfig(it.name, it.settings, storage_space(it)) for it in indexed(retrievers)),
        chunk_size=size,
        chunk_overlap=overlap,
    )


def make_chunker(retrievers: Sequence[Retriever], config: IndexConfig) -> Chunker:
    """Returns the chunker of an index: it counts tokens as the first encoder does."""
    counters = [it.encoder.count_tokens for it in indexed(retrievers) if it.encoder is not None]
    return Chunker(counters[0] if counters else default_count_tokens, config.chunk_size, config.chunk_overlap)


def indexed(retrievers: Sequence[Retriever]) -> list[IndexedRetriever]:
    """Returns those retrievers that keep something in the index."""
    return [it for it in retrievers if is_indexed(it)]


def _moved(made: RetrieverConfig, retriever: IndexedRetriever | None) -> RetrieverConfig:
    """Returns how the index is made for a retriever, with what may be moved as the retriever says, if it says so."""
    asked = retriever.settings if retriever is not None else {}
    settings = dict(made.settings)
    for group in MOVABLE:
        if group[0] in asked:
            if settings.get(group[0]) != asked[group[0]]:
                settings = {key: value for key, value in settings.items() if key not in group}
            settings.update({key: asked[key] for key in group if key in asked})
    if retriever is None or settings == dict(made.settings):
        return made
    _check_ready(retriever)
    return replace(made, settings=settings)


def _check_ready(retriever: IndexedRetriever) -> None:
    """Lets a retriever that has a `check_ready` raise before anything is written."""
    check = getattr(retriever, "check_ready", None)
    if check is not None:
        check()


def _refuse_repeats(chosen: Sequence[RetrieverChoice]) -> None:
    names = _names(chosen)
    if len(set(names)) != len(names):
        raise InvalidArgumentError(f"each retriever can be named once, got {', '.join(names)}")


def _names(chosen: Sequence[RetrieverChoice]) -> list[str]:
    """Returns the names of those retrievers that an index remembers."""
    named = [it for it in chosen if isinstance(it, str)]
    return named + [it.name for it in indexed([it for it in chosen if not isinstance(it, str)])]


def _check_names(chosen: Sequence[RetrieverChoice], config: IndexConfig) -> None:
    made = [it.name for it in config.retrievers]
    asked = _names(chosen)
    if sorted(asked) != sorted(made):
        raise IndexConfigError(
            f"the index was made with the retrievers {', '.join(made)}, and not "
            f"{', '.join(asked) or 'none of its own'}: leave retrievers out, or make a new index"
        )


def _check_settings(retriever: IndexedRetriever, remembered: RetrieverConfig) -> None:
    """Compares settings; a retriever with vectors is compared by their space, when its encoder is first used."""
    wanted = getattr(retriever, "format", None)
    if wanted is not None and remembered.space is not None and wanted != remembered.space.format:
        raise IndexConfigError(
            f"the index stores the vectors of {retriever.name} as {remembered.space.format}, and not as {wanted}: "
            "leave it out, or make a new index"
        )
    if remembered.space is None and dict(retriever.settings) != dict(remembered.settings):
        raise IndexConfigError(
            f"the index was made with {retriever.name} set to {dict(remembered.settings)}, and not "
            f"{dict(retriever.settings)}: use that, or make a new index"
        )

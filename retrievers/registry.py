"""Retrievers by name: a built-in one is a module of this folder, another package's one an entry point."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import IndexConfigError, InvalidArgumentError
from .indexed import IndexedRetriever
from .named import find_named

__all__ = ["DEFAULT_RETRIEVERS", "ENTRY_POINT_GROUP", "open_retriever"]

DEFAULT_RETRIEVERS = ("bm25", "bi-encoder")
BUILT_IN = (*DEFAULT_RETRIEVERS, "colbert")  # named in a message alone
ENTRY_POINT_GROUP = "lateral.retrievers"


def open_retriever(name: str, settings: Mapping[str, str] | None = None) -> IndexedRetriever:
    """Returns the retriever of this name, built with these settings.

    The name "bi-encoder" means `RETRIEVER` of the module `lateral.retrievers.bi_encoder`. A retriever of another
    package is its entry point in the group "lateral.retrievers".

    Args:
        name: The retriever's name.
        settings: The constructor's arguments, as the catalog remembers them; defaults where None.

    Raises:
        InvalidArgumentError: Nobody offers a retriever of this name.
        IndexConfigError: The retriever does not accept the settings.
    """
    factory = find_named(name, ENTRY_POINT_GROUP, attribute="RETRIEVER")
    if factory is None:
        raise InvalidArgumentError(
            f"there is no retriever named {name!r}: {', '.join(BUILT_IN)} are built in, "
            "others are handed over as objects"
        )
    try:
        retriever: IndexedRetriever = factory(**(settings or {}))
    except TypeError as err:
        raise IndexConfigError(f"the retriever {name!r} can't be built with {dict(settings or {})}: {err}") from err
    return retriever

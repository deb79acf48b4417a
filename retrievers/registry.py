"""Retrievers by name: a built-in one is a module of this folder, another package's one an entry point."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from importlib.metadata import entry_points

from ..errors import IndexConfigError, InvalidArgumentError
from .indexed import IndexedRetriever

__all__ = ["DEFAULT_RETRIEVERS", "ENTRY_POINT_GROUP", "open_retriever"]

DEFAULT_RETRIEVERS = ("bm25", "bi-encoder")
BUILT_IN = (*DEFAULT_RETRIEVERS, "colbert")  # named in a message alone
ENTRY_POINT_GROUP = "lateral.retrievers"


def open_retriever(name: str, settings: Mapping[str, str] | None = None) -> IndexedRetriever:
    """Returns the retriever of this name, built with these settings.

    The name "bi-encoder" means `RETRIEVER` of the module `lateral.retrievers.bi_encoder`. A retriever of another
    package is its entry point in the group "lateral.retrievers". No list of names needs to know of a new one.

    Args:
        name: The retriever's name.
        settings: The constructor's arguments, as the catalog remembers them; defaults where None.

    Raises:
        InvalidArgumentError: Nobody offers a retriever of this name.
        IndexConfigError: The retriever does not accept the settings.
    """
    module = f"{__package__}.{name.replace('-', '_')}"
    factory = None
    if name.replace("-", "").isidentifier() and "_" not in name and importlib.util.find_spec(module) is not None:
        factory = getattr(importlib.import_module(module), "RETRIEVER", None)
    if factory is None:
        for entry in entry_points(group=ENTRY_POINT_GROUP, name=name):
            factory = entry.load()
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

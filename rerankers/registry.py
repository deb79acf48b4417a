"""Rerankers by name: a built-in one is a module of this folder, another package's one an entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from ..errors import InvalidArgumentError
from ..retrievers.named import find_named
from .reranker import Reranker

__all__ = ["ENTRY_POINT_GROUP", "NO_RERANKER", "choose_reranker", "find_reranker", "open_reranker", "ready_reranker"]

Factory: TypeAlias = Callable[..., Reranker]

BUILT_IN = "cross-encoder=MODEL"  # named in a message alone
NO_RERANKER = "none"  # where a setting has to say so
ENTRY_POINT_GROUP = "lateral.rerankers"
SHOWN_CHARS = 80


def find_reranker(spelled: str) -> Factory:
    """Returns what builds the reranker of this name.

    The name "cross-encoder" means `RERANKER` of the module `lateral.rerankers.cross_encoder`. A reranker of another
    package is its entry point in the group "lateral.rerankers".

    Args:
        spelled: The name, alone or with its model: "cross-encoder=MODEL".

    Raises:
        InvalidArgumentError: Nobody offers a reranker of this name.
    """
    name = spelled.partition("=")[0]
    factory = find_named(name, ENTRY_POINT_GROUP, attribute="RERANKER")
    if factory is None:
        raise InvalidArgumentError(
            f"there is no reranker named {name[:SHOWN_CHARS]!r}: {BUILT_IN} is built in, others are handed over as "
            "objects"
        )
    return factory


def open_reranker(spelled: str, settings: Mapping[str, object] | None = None) -> Reranker:
    """Returns the reranker of this name; its model is loaded when it is first used.

    Args:
        spelled: Its name and, behind "=", its model: a name or a folder. Such as
            "cross-encoder=cross-encoder/ms-marco-MiniLM-L6-v2".
        settings: Other arguments of its constructor, such as {"candidates": 100}.

    Raises:
        InvalidArgumentError: Nobody offers a reranker of this name, or it can't be built so.
    """
    factory = find_reranker(spelled)
    name, _, model = spelled.partition("=")
    try:
        return factory(*([model] if model else []), **(settings or {}))
    except TypeError as err:
        hint = "" if model else f"; name its model as in {name}=cross-encoder/ms-marco-MiniLM-L6-v2, or a folder"
        with_settings = f" with {', '.join(settings)}" if settings else ""
        raise InvalidArgumentError(
            f"the reranker {spelled[:SHOWN_CHARS]!r} can't be built{with_settings}: {err}{hint}"
        ) from err


def ready_reranker(spelled: str, candidates: int | None = None) -> Reranker:
    """Returns the reranker of this name, once it is known that its model is at hand.

    Args:
        spelled: As for `open_reranker`.
        candidates: How many hits it reads, None for what it asks for.

    Raises:
        InvalidArgumentError: See `open_reranker`.
        ModelNotFoundError: Its model can't be had.
    """
    reranker = open_reranker(spelled, {} if candidates is None else {"candidates": candidates})
    check = getattr(reranker, "check_ready", None)
    if check is not None:
        check()
    return reranker


def choose_reranker(given: str | Reranker | None) -> Reranker | None:
    """Returns the reranker that a caller named or handed over.

    Raises:
        InvalidArgumentError: It is neither a name nor an object with the method of the contract.
    """
    if given is None:
        return None
    if isinstance(given, str):
        return open_reranker(given)
    if not callable(getattr(given, "rerank", None)):
        raise InvalidArgumentError(f"reranker must be a name or an object with a method rerank(), got {given!r:.80}")
    return given

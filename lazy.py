"""A package's public names, each imported when it is first used: a search need not load what makes answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from sys import modules
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(package: str, places: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns a package's `__getattr__` and `__dir__`.

    No name may also be a submodule's: the import system would put the module in its place.

    Args:
        package: The package's `__name__`.
        places: Its public names, and the module below it that each comes from.

    Source: PEP 562.
    """

    def get(name: str) -> Any:  # noqa: ANN401 - a module's attributes are of any type
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f".{places[name]}", package), name)
        setattr(modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(modules[package]), *places})

    return get, names

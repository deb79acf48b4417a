"""What stands behind a name: a module of this package, or another package's entry point."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

__all__ = ["find_named"]


def find_named(name: str, package: str, *, attribute: str) -> Callable[..., Any] | None:
    """Returns what builds the thing of this name, None where nobody offers it. No list needs to know of a new one.

    Args:
        name: Such as "bi-encoder", which means the module `bi_encoder`.
        package: The package of the built-in modules, after which the group of others' entry points is called.
        attribute: What such a module calls its factory; a module without one is none of them.
    """
    module = f"{package}.{name.replace('-', '_')}"
    factory = None
    if name.replace("-", "").isidentifier() and "_" not in name and importlib.util.find_spec(module) is not None:
        factory = getattr(importlib.import_module(module), attribute, None)
    if factory is None:
        for entry in entry_points(group=package, name=name):
            factory = entry.load()
    found: Callable[..., Any] | None = factory
    return found

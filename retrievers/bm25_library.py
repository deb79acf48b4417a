"""bm25s, imported without scipy.sparse: it uses that only where its user asks for it, as lateral does not."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import Any

__all__ = ["load_bm25s"]

POSTPONED = "scipy.sparse"

_importing = Lock()


class _Postponed(ModuleType):
    """Stands for a module, which is imported when something of it is used."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a module's attributes are of any type
        _withdraw(self)
        return getattr(import_module(self.__name__), name)


def load_bm25s() -> ModuleType:
    """Returns the module bm25s. Importing scipy.sparse with it takes three times as long."""
    with _importing:
        postponed = _Postponed(POSTPONED)
        if "bm25s" not in sys.modules:
            sys.modules.setdefault(POSTPONED, postponed)
        try:
            return import_module("bm25s")
        finally:
            _withdraw(postponed)


def _withdraw(postponed: _Postponed) -> None:
    """Lets the module itself be imported by whoever asks for it next."""
    if sys.modules.get(POSTPONED) is postponed:
        del sys.modules[POSTPONED]

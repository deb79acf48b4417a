"""Optional packages: imported where they are needed, named with the pip line that installs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import MissingExtraError

__all__ = ["require"]


def require(module: str, *, extra: str) -> ModuleType:
    """Returns the imported optional module.

    Args:
        module: The module's import name, such as "ir_measures".
        extra: The extra of this package that installs it, such as "evaluate".

    Raises:
        MissingExtraError: It can't be imported; the message holds the pip line and the cause.
    """
    try:
        return importlib.import_module(module)
    except ImportError as err:
        raise MissingExtraError(f"{module} is needed here: pip install 'lateral[{extra}]' ({err})") from err

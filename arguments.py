"""Checks of arguments that many calls share."""

from __future__ import annotations

from .errors import InvalidArgumentError

__all__ = ["check_not_negative", "check_positive"]


def check_positive(name: str, value: int) -> int:
    """Returns the value unchanged.

    Args:
        name: What the caller calls it.
        value: What came.

    Raises:
        InvalidArgumentError: It is no whole number of at least 1; a bool is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(f"{name} must be a whole number of at least 1, got {value!r}")
    return value


def check_not_negative(name: str, value: int) -> int:
    """Returns the value unchanged.

    Args:
        name: What the caller calls it.
        value: What came.

    Raises:
        InvalidArgumentError: It is no whole number of at least 0; a bool is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidArgumentError(f"{name} must be a whole number of at least 0, got {value!r}")
    return value

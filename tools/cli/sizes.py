"""Sizes, as people read them."""

from __future__ import annotations

__all__ = ["shown_bytes"]

KILO = 1_000


def shown_bytes(value: float) -> str:
    """Returns a number of bytes in the unit that fits it, such as "1.3 MB" or "640 kB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < KILO:
            return f"{value:.{0 if value >= 10 or unit == 'B' else 1}f} {unit}"
        value /= KILO
    return f"{value:,.1f} TB"

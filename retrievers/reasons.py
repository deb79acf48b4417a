"""What other libraries' errors say, short enough for a sentence."""

from __future__ import annotations

__all__ = ["first_line"]

REASON_CHARS = 300


def first_line(err: BaseException) -> str:
    """Returns the first line of what an error says, as torch says pages; of a mute one its kind."""
    return str(err).strip().partition("\n")[0][:REASON_CHARS] or type(err).__name__

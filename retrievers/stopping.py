"""Long waits of a thread that end when nobody wants its work any more."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

__all__ = ["heed", "raise_if_stopped"]

_heeded = threading.local()


def heed(stop: threading.Event) -> None:
    """Has the long waits of this thread look at an event; what is called in it need not know of the event."""
    _heeded.stop = stop


def raise_if_stopped() -> None:
    """Returns if this thread's work is still wanted.

    Raises:
        CancelledError: The event that it heeds is set.
    """
    stop: threading.Event | None = getattr(_heeded, "stop", None)
    if stop is not None and stop.is_set():
        raise CancelledError

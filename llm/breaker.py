"""A circuit breaker: what keeps failing is left alone for a while, then tried once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Breaker"]


class Breaker:
    """Says whether a call may be tried; threads share one.

    Closed, everything passes. After `threshold` failures in a row it opens: nothing passes for `cool_down` seconds.
    Then one call passes as a probe. The probe's first sign of life closes the breaker, its failure opens it again.

    Args:
        threshold: Failures in a row that open it, at least 1.
        cool_down: Seconds until it lets a probe through.
        clock: Gives seconds that never go back; another one in tests.

    Source: M. Nygard, Release It! (2007), "Circuit Breaker". Deviation: a call that is given up by its caller counts as
    neither success nor failure.
    """

    def __init__(self, *, threshold: int, cool_down: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._threshold = threshold
        self._cool_down = cool_down
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opened: float | None = None
        self._probing = False

    @property
    def failures(self) -> int:
        """How many calls failed in a row."""
        return self._failures

    def enter(self) -> float:
        """Returns 0 where the call may be tried, else the seconds until one may: at least a little."""
        with self._lock:
            if self._opened is None:
                return 0.0
            left = self._opened + self._cool_down - self._clock()
            if left > 0:
                return left
            if self._probing:
                return self._cool_down
            self._probing = True
            return 0.0

    def alive(self) -> None:
        """Notes that a call is being answered: an open breaker closes, and opens again at the next failure."""
        with self._lock:
            if self._opened is not None:
                self._opened, self._probing = None, False
                self._failures = self._threshold - 1

    def succeeded(self) -> None:
        """Notes a call that ended well."""
        with self._lock:
            self._failures, self._opened, self._probing = 0, None, False

    def failed(self) -> bool:
        """Notes a failure, and returns whether the breaker is open now."""
        with self._lock:
            self._failures += 1
            if self._probing or self._failures >= self._threshold:
                self._opened, self._probing = self._clock(), False
            return self._opened is not None

    def left(self) -> None:
        """Notes that the caller gave a call up: the next call may be the probe."""
        with self._lock:
            self._probing = False

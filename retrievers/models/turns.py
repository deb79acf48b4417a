"""One thread at a time, in the order in which they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

__all__ = ["Turns"]


class Turns:
    """Threads queue up, and one with more to do goes to the queue's end.

    So a query waits for one batch of documents, not for all of them.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._queue: deque[object] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits until all that came before are done, and keeps others out; who is interrupted leaves the queue."""
        place = object()
        try:
            self._queue.append(place)
            with self._changed:
                self._changed.wait_for(lambda: self._queue[0] is place)
            yield
        finally:
            with self._changed:
                if place in self._queue:
                    self._queue.remove(place)
                self._changed.notify_all()

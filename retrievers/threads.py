"""The threads that searches share: to start them takes longer than to search a small index."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import TypeVar

__all__ = ["CORES", "in_threads"]

CORES = os.cpu_count() or 1  # asked once: with cold caches the question takes as long as a small search

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Returns the function's results in order, computed on all cores: for products, which leave Python's lock.

    The caller's thread works too, and each takes the next item when it is done with one; where no other can be had, it
    works alone. Where it raises, the items that nobody has begun are left out.

    Args:
        function: Called with one item at a time.
        items: What to call it with.
    """
    if min(len(items), CORES) <= 1:
        return [function(item) for item in items]
    waiting = deque(enumerate(items))
    results: dict[int, Result] = {}

    def work() -> None:
        while (taken := _next(waiting)) is not None:
            at, item = taken
            try:
                results[at] = function(item)
            except BaseException:
                waiting.clear()
                raise

    helpers = _started(work, min(CORES, len(items)) - 1)
    try:
        work()
    finally:
        errors = [it.exception() for it in helpers if not it.cancel()]  # which waits for all that have begun
        for err in filter(None, errors):
            raise err
    return [results[at] for at in range(len(items))]


def _started(work: Callable[[], None], number: int) -> list[Future[None]]:
    """Returns what so many other threads do, or fewer: the system may have no more, and an ending interpreter none."""
    helpers: list[Future[None]] = []
    with suppress(RuntimeError):
        for _ in range(number):
            helpers.append(_threads(os.getpid()).submit(work))
    return helpers


def _next(waiting: deque[tuple[int, Item]]) -> tuple[int, Item] | None:
    try:
        return waiting.popleft()
    except IndexError:  # another thread has taken the last one
        return None


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """Returns the process's threads: a forked child has none of its parent's, and gets its own."""
    return ThreadPoolExecutor(CORES, thread_name_prefix=f"lateral-search-{process}")

"""The threads that searches share: to start them takes longer than to search a small index."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

__all__ = ["in_threads"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Returns the function's results in order, computed on all cores: for products, which leave Python's lock.

    Args:
        function: Must not call `in_threads` itself: it would wait for the thread that it runs in.
        items: What to call it with, one at a time.
    """
    if len(items) < 2:
        return [function(item) for item in items]
    return list(_threads(os.getpid()).map(function, items))


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """Returns the process's threads: a forked child has none of its parent's, and gets its own."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix=f"lateral-search-{process}")

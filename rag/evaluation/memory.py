"""How much memory a run took at its worst."""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["PeakMemory"]

SAMPLE_SECONDS = 0.05  # a look takes about 0.1 ms: a five-hundredth of one core
PAGE_BYTES = resource.getpagesize()


class PeakMemory:
    """Measures the peak of resident memory while its block runs: this process and its children together.

    A thread looks every 50 ms. Children are the parsing processes and, where one is asked, Chroma's. Resident memory
    holds what is mapped from files too, such as the vectors that were read. Where /proc is missing, the figure is this
    process's own highest since it started.
    """

    def __init__(self) -> None:
        self._bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lateral-memory", daemon=True)

    @property
    def megabytes(self) -> float:
        """The peak so far, in 10^6 bytes."""
        return (self._bytes or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024) / 1e6

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self._bytes = max(self._bytes, sum(map(_resident, _family(os.getpid()))))
            if self._done.wait(SAMPLE_SECONDS):
                return


def _family(process: int) -> list[int]:
    """Returns a process and its children, by any of its threads, and theirs."""
    children: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children += map(int, task.read_text().split())
        except OSError:  # the thread or the process has ended meanwhile
            continue
    return [process, *(member for child in children for member in _family(child))]


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0

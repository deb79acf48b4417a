"""Work in a thread that a cancelled task takes along."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from .indexing.ingest import Progress

__all__ = ["stoppable"]

Result_co = TypeVar("Result_co", covariant=True)


class _TellsProgress(Protocol[Result_co]):
    def __call__(self, *, on_progress: Callable[[Progress], None]) -> Result_co: ...


class _Stopped(BaseException):
    """Ends the work from within, past every handler of its own; nobody sees it."""


async def stoppable(work: _TellsProgress[Result_co], on_progress: Callable[[Progress], None] | None) -> Result_co:
    """Returns what work in a thread gives. Cancelled, it waits until the work has ended.

    Args:
        work: It ends in what `on_progress` raises, which it calls several times a second.
        on_progress: Told as well.
    """
    stop = threading.Event()

    def advance(progress: Progress) -> None:
        if stop.is_set():
            raise _Stopped
        if on_progress is not None:
            on_progress(progress)

    working = asyncio.ensure_future(asyncio.to_thread(work, on_progress=advance))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        stop.set()
        working.add_done_callback(lambda done: done.cancelled() or done.exception())  # or it is called never retrieved
        await asyncio.wait([working])
        raise

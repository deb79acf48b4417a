"""An event loop in a thread of its own: where deadlines and cancellation reach every wait."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

__all__ = ["LoopThread"]

JOIN_SECONDS = 1.0  # for calls to close their connections; the thread is a daemon, so nothing waits longer


class LoopThread:
    """Runs coroutines for callers that are synchronous. Nothing starts before the first one.

    Args:
        last: Runs when everything else was cancelled: it closes what the coroutines shared.
    """

    def __init__(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._last = last
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="lateral-llm", daemon=True)
        self._lock = threading.Lock()
        self._stopped = False

    def start(self, coroutine: Coroutine[Any, Any, None]) -> Future[None]:
        """Returns the future of a coroutine that now runs; cancelling it cancels the coroutine, from any thread."""
        with self._lock:
            if self._stopped:
                coroutine.close()
                raise RuntimeError("the loop was stopped")
            if self._thread.ident is None:
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def stop(self) -> None:
        """Cancels what runs, and ends the thread. It may be called twice."""
        with self._lock:
            if self._stopped or self._pid != os.getpid():  # a fork has no such thread, and shares its loop's pipe
                return
            self._stopped = True
            if self._thread.ident is None:
                self._loop.close()
                return
            self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not threading.current_thread():
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(asyncio.wait_for(self._last(), JOIN_SECONDS))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

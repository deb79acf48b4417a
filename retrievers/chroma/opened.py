"""A generation's collection, opened when it is first asked, and left alone when that fails."""

from __future__ import annotations

import logging
import os
import threading
import time

import numpy as np
from numpy.typing import NDArray

from .collection import Batch, ChromaFailed, Collection, check_collection
from .folder import EmbeddedCollection
from .generation import STORE, Generation
from .process import check_folder
from .server import ChromaServer

__all__ = ["OpenedGeneration"]

logger = logging.getLogger(__name__)

RETRY_SECONDS = 30.0  # a server that failed is left alone


class OpenedGeneration:
    """A generation that is asked, or will be. Thread-safe, and a forked process opens it for itself.

    Args:
        generation: Which.
        server: Where it stands, None for its folder.
        behind: Whether it is opened in the background, while other searches go on; else the first search waits for it.
        known: Some of what it should hold.
        checked: Whether this process has checked it before.
    """

    def __init__(
        self, generation: Generation, *, server: ChromaServer | None, behind: bool, known: Batch, checked: bool = False
    ) -> None:
        self.generation = generation
        self._server = server
        self._behind = behind
        self._known = known
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._collection: Collection | None = None
        self._inherited: list[Collection | None] = []
        self._checked, self._opening = checked, False
        self._retry_at = 0.0

    @property
    def passed(self) -> bool:
        """Whether its check found nothing wrong, and neither did a search since."""
        return self._checked and not self.failed

    @property
    def failed(self) -> bool:
        """Whether it could not be asked and is left alone: a store for good, a server for a while."""
        return time.monotonic() < self._retry_at

    def nearest(self, query: NDArray[np.float32], number: int) -> list[str] | None:
        """Returns the ids of about the nearest vectors, None while it is not open or can't be asked; the log says why.

        Args:
            query: float32, shape (dim,).
            number: How many.
        """
        try:
            collection = self._ready()
            return None if collection is None else collection.nearest(query, number)[0]
        except (ChromaFailed, OSError) as err:
            self._fail(err)
            return None

    def _fail(self, err: Exception) -> None:
        """Says so once, and leaves it alone: a store for good, a server for a while."""
        with self._lock:
            told = self.failed
            self._retry_at = float("inf") if self._server is None else time.monotonic() + RETRY_SECONDS
            self._collection = None
        if not told:
            logger.warning("search is exact, Chroma can't be used: %s", err)

    def _ready(self) -> Collection | None:
        with self._lock:
            if self._owner != os.getpid():
                # This process was forked: what its parent opened has threads there. Kept, for they can't be ended here.
                self._inherited.append(self._collection)
                self._owner, self._collection, self._opening = os.getpid(), None, False
            if self._collection is None and not self._opening and not self.failed:
                if self._behind:
                    self._opening = True
                    threading.Thread(target=self._open_behind, name="lateral-chroma", daemon=True).start()
                else:
                    self._collection = self._open()
            return self._collection

    def _open(self) -> Collection:
        count = self.generation.manifest.count
        if self._server is not None:
            collection = self._server.find(self.generation.manifest.collection)
            check_collection(collection, count, self._known)
            return collection
        if not self._checked:
            check_folder(self.generation.folder / STORE, count, self._known)
            self._checked = True
        return EmbeddedCollection(self.generation.folder / STORE)

    def _open_behind(self) -> None:
        try:
            self._collection = self._open()
        except (ChromaFailed, OSError) as err:
            self._fail(err)
        finally:
            self._opening = False

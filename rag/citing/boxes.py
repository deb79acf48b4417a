"""Where citations and hits stand on their pages: read from the PDF itself, when somebody wants to see it."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from ...errors import DocumentError
from ...loaders.boxes import Box, Stretch
from ...loaders.node import Node, document_id
from ...loaders.worker import ParserPool
from ...retrievers.hit import Hit
from ...retrievers.store import Index
from ...retrievers.store.segments import hash_file
from ..context import Passage
from .citations import Citation
from .verbatim import find_verbatim

__all__ = ["BoxFinder", "Located", "is_as_indexed"]

Located: TypeAlias = Hit | Node | Passage | Citation

logger = logging.getLogger(__name__)


class BoxFinder:
    """Finds the boxes of texts on the pages of the PDFs of an index; see `lateral.loaders.boxes.find_boxes`.

    A text has no boxes where its file is no PDF, is gone, has changed since it was indexed, or can't be read any more
    (which is logged), and where its page is an image. Files are opened in a parsing process only. It starts with the
    first call that has something to look for, and stays for the next ones until `close`. Threads may share a finder.

    Args:
        index: The index that the texts come from.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._running: _Running | None = None

    def find(self, texts: Sequence[Located]) -> list[tuple[Box, ...]]:
        """Returns the boxes of each text, one a line.

        A citation does not know where on the page its quote begins: of several places of the quote on the page it has
        the first. Use `locate` where the citation's passage is at hand.

        Args:
            texts: Hits, nodes, passages or citations.

        Raises:
            StoreError: The index can't be read.
            LateralError: No parsing process can be started.
        """
        return self._find([_place(text) for text in texts])

    def locate(self, citations: Sequence[Citation], passages: Iterable[Passage]) -> list[Citation]:
        """Returns the citations with the boxes of their quotes.

        Args:
            citations: As `check_citations` gave them.
            passages: The passages that they cite. Not changed.

        Raises:
            StoreError: The index can't be read.
            LateralError: No parsing process can be started.
        """
        by_number = {passage.n: passage for passage in passages}
        found = self._find([_place_of_quote(citation, by_number) for citation in citations])
        return [replace(citation, boxes=boxes) for citation, boxes in zip(citations, found, strict=True)]

    def close(self) -> None:
        """Ends the parsing process; the next call starts another."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.end()

    def pool(self) -> ParserPool:
        """Returns the pool of one parsing process, which `close` ends."""
        with self._lock:
            if self._running is None or self._running.owner != os.getpid():  # a fork shares its parent's pipes
                pool = ParserPool(1)
                end = weakref.finalize(self, _close, pool, os.getpid())
                self._running = _Running(pool, os.getpid(), end)
            return self._running.pool

    def _find(self, places: Sequence[_Place | None]) -> list[tuple[Box, ...]]:
        wanted: dict[str, list[Stretch]] = {}
        for place in places:
            if place is not None:
                wanted.setdefault(place.source, []).append(place.stretch)
        found: dict[tuple[str, Stretch], tuple[Box, ...]] = {}
        for source in self._unchanged(wanted):
            stretches = list(dict.fromkeys(wanted[source]))
            try:
                boxes = self.pool().boxes(source, stretches)
            except DocumentError as err:
                logger.warning("%s: its passages can't be shown on their pages: %s", source, err.reason)
                continue
            found.update(((source, stretch), box) for stretch, box in zip(stretches, boxes, strict=True))
        return [() if place is None else found.get((place.source, place.stretch), ()) for place in places]

    def _unchanged(self, sources: Iterable[str]) -> list[str]:
        """Returns the PDFs among the sources that are what the index was made from."""
        ids = ", ".join(f"'{document_id(source)}'" for source in sources)
        if not ids or not self._index.exists():
            return []
        with self._index.read() as snapshot:
            rows = snapshot.rows(
                "SELECT source, content_hash, size, mtime_ns, ctime_ns FROM documents WHERE size IS NOT NULL "
                f"AND json_extract(metadata, '$.file_type') = 'pdf' AND id IN ({ids}) ORDER BY source"
            )
        return [source for source, content_hash, *stat in rows if is_as_indexed(source, content_hash, stat)]


@dataclass(frozen=True, slots=True)
class _Place:
    source: str
    stretch: Stretch


@dataclass(frozen=True, slots=True)
class _Running:
    """A pool, the process that made it, and what ends it, at the latest when the finder is gone."""

    pool: ParserPool
    owner: int
    end: weakref.finalize[[ParserPool, int], BoxFinder]


def _place(text: Located) -> _Place | None:
    if isinstance(text, Citation):
        return _place_on(text.source, text.page, text.quote, 0)
    node = text.node if isinstance(text, Hit) else text
    return _place_on(node.source, node.page, node.text, node.start_char)


def _place_of_quote(citation: Citation, passages: Mapping[int, Passage]) -> _Place | None:
    passage = passages.get(citation.n)
    if passage is None:
        return None
    span = find_verbatim(citation.quote, passage.text)
    start = passage.start_char + (0 if span is None else span[0])
    return _place_on(citation.source, citation.page, citation.quote, start)


def _place_on(source: str | None, page: int | None, text: str, start_char: int) -> _Place | None:
    if source is None or page is None or not text.strip():
        return None
    return _Place(source, Stretch(page, text, start_char))


def is_as_indexed(source: str, content_hash: str, stat: Sequence[int]) -> bool:
    """Says whether a file is the one that was indexed: by its size and times, else by its bytes.

    Args:
        source: Its absolute path.
        content_hash: SHA-256 of its bytes when it was indexed.
        stat: Its size and its times in nanoseconds, of content and of entry, then.
    """
    try:
        now = os.stat(source)
        if [now.st_size, now.st_mtime_ns, now.st_ctime_ns] == list(stat):
            return True
        if now.st_size == stat[0] and hash_file(Path(source)) == content_hash:
            return True
    except OSError as err:
        logger.info("%s has no boxes: it can't be opened (%s)", source, err.strerror)
        return False
    logger.info("%s has no boxes: it has changed since it was indexed", source)
    return False


def _close(pool: ParserPool, owner: int) -> None:
    if os.getpid() == owner:
        pool.close()

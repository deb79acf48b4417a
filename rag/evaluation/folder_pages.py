"""The pages of a folder as text, and the search over them that a made question must pass."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DocumentError, InvalidArgumentError
from ...loaders.document import Document, Section
from ...loaders.failure import failure_of
from ...loaders.files import SourceFile, walk
from ...loaders.indexed_text import SEPARATOR
from ...loaders.load import read
from ...loaders.node import LoadFailure
from ...loaders.worker import ParserPool, map_in_order
from ...retrievers.analysis import analyzer
from ...retrievers.bm25 import K1, B
from .folder_names import FolderNames

__all__ = ["FolderPage", "FolderPages", "PageSearch", "read_pages"]

FOUND_IN = 10  # a question is kept if its page is among so many: what a person looks through
EQUAL = 0.01  # two pages whose scores differ by less than this share fit a query equally


@dataclass(frozen=True, slots=True)
class FolderPage:
    """One page of a folder's files; a file without pages is one.

    Args:
        file: The file's path below the folder.
        page: From 1; None where the file has no pages.
        text: Its text.
        headings: The headings that stand on it.
        title: The document's title, "" where it has none.
    """

    file: str
    page: int | None
    text: str
    headings: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class FolderPages:
    """What was read of a folder.

    Args:
        pages: Pages with text, file by file.
        failed: Files that can't be read.
        files: The files that were walked, by their path below the folder.
    """

    pages: tuple[FolderPage, ...]
    failed: tuple[LoadFailure, ...]
    files: Mapping[str, SourceFile] = field(default_factory=dict)


def read_pages(folder: Path, *, besides: Collection[Path] = ()) -> FolderPages:
    """Returns the pages of a folder's files, as `lateral add` would read them.

    Args:
        folder: The documents.
        besides: Files that are none of them, such as the questions that are written.

    Raises:
        SourceRootError: The folder is missing.
        InvalidArgumentError: It is no folder, or holds no text.
    """
    found = list(walk(folder))
    if not Path(folder).expanduser().is_dir():
        raise InvalidArgumentError(f"'{folder}' must be a folder of documents, got a file")
    own = {path.expanduser().resolve() for path in besides}
    files = [it for it in found if isinstance(it, SourceFile) and Path(it.path).resolve() not in own]
    failed = [it for it in found if isinstance(it, LoadFailure)]
    names = FolderNames(folder, [file.path for file in files])
    pages: list[FolderPage] = []
    with ParserPool() as pool:
        for outcome in map_in_order(lambda file: _read(file, pool), files, workers=pool.max_workers):
            if isinstance(outcome, LoadFailure):
                failed.append(outcome)
            else:
                pages += _pages(outcome, names.of(outcome.source))
    if not pages:
        why = f": {failed[0].source}: {failed[0].reason}" if failed else ""
        raise InvalidArgumentError(f"'{folder}' holds no text to ask about{why}")
    return FolderPages(tuple(pages), tuple(failed), {names.of(file.path): file for file in files})


class PageSearch:
    """BM25 over pages: finds what a question finds, and says whether other pages fit it as well.

    Args:
        pages: At least one.
        language: As for `lateral.retrievers.analysis.analyzer`.

    Raises:
        InvalidArgumentError: The language is unknown.

    Source:
        Robertson & Zaragoza 2009, The Probabilistic Relevance Framework: BM25 and Beyond, section 3; computed by bm25s.
    """

    def __init__(self, pages: Sequence[FolderPage], language: str) -> None:
        import bm25s

        self.terms = analyzer(language)
        texts = [self.terms("\n".join((it.title, *it.headings, it.text))) for it in pages]
        self._pages = len(pages)
        self._on: dict[str, set[int]] = {}
        for at, found in enumerate(texts):
            for term in found:
                self._on.setdefault(term, set()).add(at)
        self._model = bm25s.BM25(k1=K1, b=B, method="lucene")
        if self._on:
            self._model.index(texts, show_progress=False)

    def idf(self, term: str) -> float:
        """Returns how rare a term is among the pages: BM25's idf, above 0."""
        pages = len(self._on.get(term, ()))
        return math.log(1 + (self._pages - pages + 0.5) / (pages + 0.5))

    def finds(self, query: str, right: Collection[int]) -> bool:
        """Returns whether one of the right pages is among the first 10 for a query.

        Args:
            query: The question.
            right: Positions of the pages that it was made from.
        """
        scores = self._scores(query)
        best = max((float(scores[at]) for at in right), default=0.0)
        return best > 0 and int((scores > best).sum()) < FOUND_IN

    def fits_others(self, query: str, right: Collection[int]) -> bool:
        """Returns whether another page fits a query as well: it holds all its words, or scores the same."""
        held = [self._on.get(term, set()) for term in set(self.terms(query))]
        if not held or set.intersection(*held) - set(right):
            return True
        scores = self._scores(query)
        best = max((float(scores[at]) for at in right), default=0.0)
        scores[list(right)] = -math.inf
        return bool((np.abs(scores - best) <= EQUAL * best).any())

    def _scores(self, query: str) -> NDArray[np.float32]:
        """Returns the pages' scores, float32, shape (pages,)."""
        known = self._model.get_tokens_ids(self.terms(query)) if self._on else []
        if not known:
            return np.zeros(self._pages, np.float32)
        return np.array(self._model.get_scores_from_ids(known), np.float32)


def _read(file: SourceFile, pool: ParserPool) -> Document | LoadFailure:
    try:
        return read(file, pool)
    except DocumentError as err:
        return failure_of(err, file.path)


def _pages(document: Document, name: str) -> list[FolderPage]:
    title = document.metadata.get("title")
    by_page: dict[int | None, list[Section]] = {}
    for section in document.sections:
        by_page.setdefault(section.page, []).append(section)
    pages = [
        FolderPage(
            name,
            page,
            "\n\n".join(section.text for section in sections),
            _headings(sections),
            " ".join(title.split()) if isinstance(title, str) else "",
        )
        for page, sections in by_page.items()
    ]
    return [page for page in pages if page.text.strip()]


def _headings(sections: Iterable[Section]) -> tuple[str, ...]:
    """Returns the last part of each section's path of headings, once."""
    paths = (section.metadata.get("header_path") for section in sections)
    found = (path.split(SEPARATOR)[-1].strip() for path in paths if isinstance(path, str))
    return tuple(dict.fromkeys(heading for heading in found if heading))

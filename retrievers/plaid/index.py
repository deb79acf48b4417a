"""PLAID beside exact search: which generation serves a snapshot, opened once, and refreshed by the writer."""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from ...errors import InvalidArgumentError
from ...extras import require
from ..maxsim import MaxSimSearch
from ..retriever import VectorSpace
from ..store import Snapshot, Writer
from ..store.verify import Problem
from .generation import BITS, Coverage, Generation, PlaidFailed, colbert_version, damaged_file
from .opened import OpenedPlaid
from .refresh import is_wanted, keep_generation, refresh_generation
from .search import PlaidView
from .texts import IndexedTexts, open_texts
from .toolchain import check_toolchain

__all__ = ["PlaidIndex", "check_bits", "check_index"]

logger = logging.getLogger(__name__)

DEFAULT_BITS = 2  # ColBERTv2's own
BYTE = 8  # bits
PACKAGES = ("ragatouille", "langchain_classic")
VERIFY = "`lateral verify --repair`"


class PlaidIndex:
    """RAGatouille's PLAID over the token vectors of an index.

    A generation that was published serves later ones of the index too, as long as few texts have changed: those that
    it lacks are searched exactly, those that are gone are dropped. Where it is missing, damaged, stale or fails, exact
    search answers, and the log says so.

    Args:
        bits: Of each dimension; 1, 2 or 4.
        name: Of the derived index.
    """

    def __init__(self, bits: int, name: str = "plaid") -> None:
        self.bits = bits
        self._name = name
        self._lock = threading.Lock()
        self._opened: tuple[Path, tuple[Generation, OpenedPlaid] | None] | None = None

    def check_ready(self, dim: int) -> None:
        """Raises unless PLAID can be built on this machine for vectors of this length; called before it is promised.

        Raises:
            InvalidArgumentError: colbert-ai can't pack so many dimensions in so many bits.
            MissingExtraError: RAGatouille is not installed.
            MissingToolError: What compiles its extensions is missing.
        """
        if dim % (self.bits * BYTE):
            fitting = [bits for bits in BITS if not dim % (bits * BYTE)]
            raise InvalidArgumentError(
                f"PLAID packs vectors whose length is a multiple of 8 times the bits, got {dim} dimensions and "
                f"{self.bits} bits: use {' or '.join(map(str, fitting)) + ' bits' if fitting else 'exact search'}"
            )
        for module in PACKAGES:
            if importlib.util.find_spec(module) is None:
                require(module, extra="colbert")
        check_toolchain()

    def view(self, snapshot: Snapshot, space: VectorSpace, search: MaxSimSearch) -> PlaidView | None:
        """Returns what searches the snapshot through PLAID; None where exact search has to.

        The first call of a process opens the generation, which takes seconds, a minute where its C++ is compiled first.

        Args:
            snapshot: The index.
            space: The space of the token vectors.
            search: Exact search over them.
        """
        published = snapshot.published(self._name)
        if published is None:
            return None
        # By its folder: a generation of the index may get one, or another, later.
        views: list[PlaidView | None] = snapshot.cached(f"{self._name}/{published[0].name}", list)
        if views:
            return views[0]
        with self._lock:
            found = self._open(*published, space)
        if found is None:
            views[:] = [None]
            return None
        generation, opened = found
        texts = IndexedTexts(search, snapshot)
        views[:] = [PlaidView(opened, Coverage(generation, texts), texts)]
        return views[0]

    def refresh(self, writer: Writer, snapshot: Snapshot, space: VectorSpace) -> None:
        """Publishes a generation that serves the snapshot; says in the log when that fails.

        Args:
            writer: The index's writer.
            snapshot: What it has committed.
            space: The space of the vectors.
        """
        try:
            refresh_generation(writer, self._name, snapshot, space, self.bits)
        except PlaidFailed as err:
            logger.warning(
                "PLAID could not be brought up to date, search is exact until it is: %s; then run %s", err, VERIFY
            )

    def keep_up(self, writer: Writer, snapshot: Snapshot, space: VectorSpace) -> bool:
        """Returns whether nothing has to be built; what is published says so where it still serves.

        Args:
            writer: The index's writer.
            snapshot: What it has committed.
            space: The space of the vectors.
        """
        return keep_generation(writer, self._name, snapshot, space, self.bits)

    def find_problems(self, snapshot: Snapshot, space: VectorSpace, published: Mapping[str, bool]) -> list[Problem]:
        """Returns what is wrong with PLAID beyond the bytes of its files: searches would be exact.

        Args:
            snapshot: The index.
            space: The space of the vectors.
            published: See `lateral.retrievers.store.verify.SelfChecking`.
        """
        if self._name in published:
            found = snapshot.published(self._name) if published[self._name] else None
            return [] if found is None else self._misfits(found[0], snapshot.folder, space)
        if not is_wanted(open_texts(snapshot, space)):
            return []
        return [Problem(self._name, "PLAID is not built: search is exact", "refresh", derived=self._name)]

    def _misfits(self, folder: Path, index: Path, space: VectorSpace) -> list[Problem]:
        """Returns why a generation whose files are as they were published is not used, or is not the one wanted."""
        try:
            manifest = _readable(folder, space).manifest
        except PlaidFailed as err:
            reason = f"{err}: search is exact"
        else:
            if manifest.bits == self.bits:
                return []
            reason = f"PLAID keeps {manifest.bits} bits of a dimension in place of {self.bits}"
        return [Problem(folder.relative_to(index).as_posix(), reason, "refresh")]

    def _open(self, folder: Path, files: str, space: VectorSpace) -> tuple[Generation, OpenedPlaid] | None:
        """Returns the generation in a folder, checked and opened once; None when it is not to be used."""
        if self._opened is None or self._opened[0] != folder:
            self._opened = folder, None
            try:
                self._opened = folder, _checked(folder, files, space)
            except (PlaidFailed, OSError) as err:
                logger.warning("search is exact, PLAID is not used: %s", err)
        return self._opened[1]


def check_index(index: str | None) -> str | None:
    """Returns the kind of index unchanged.

    Raises:
        InvalidArgumentError: It is neither None nor "exact" nor "plaid".
    """
    if index not in (None, "exact", "plaid"):
        raise InvalidArgumentError(f"index must be 'exact' or 'plaid', got {index!r:.80}")
    return index


def check_bits(bits: int | str | None, index: str | None) -> int:
    """Returns the bits of a PLAID index as a number, the default for None.

    Raises:
        InvalidArgumentError: They are not 1, 2 or 4, or are said without index="plaid".
    """
    if bits is None:
        return DEFAULT_BITS
    if isinstance(bits, bool) or str(bits) not in map(str, BITS):
        raise InvalidArgumentError(f"bits must be 1, 2 or 4, got {bits!r:.80}")
    if index != "plaid":
        raise InvalidArgumentError("bits are those of a PLAID index: say index='plaid' too")
    return int(bits)


def _checked(folder: Path, files: str, space: VectorSpace) -> tuple[Generation, OpenedPlaid]:
    colbert_version()  # raises where there is none: what is advised below would not help
    try:
        if (file := damaged_file(folder, files)) is not None:
            raise PlaidFailed(f"'{folder / file}' is not the file that was published")
        generation = _readable(folder, space)
    except PlaidFailed as err:
        raise PlaidFailed(f"{err}: {VERIFY} builds it anew") from err
    return generation, OpenedPlaid(generation)


def _readable(folder: Path, space: VectorSpace) -> Generation:
    """Returns the generation in a folder.

    Raises:
        PlaidFailed: It was made by another version or of another space.
    """
    generation = Generation(folder)
    if generation.manifest.space != space.fingerprint:
        raise PlaidFailed(f"'{folder}' holds vectors of another space")
    return generation

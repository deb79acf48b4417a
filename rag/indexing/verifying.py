"""Checking a whole index, and mending what can be mended."""

from __future__ import annotations

from ...retrievers.store import Index
from ...retrievers.store.lock import writer_pid
from ...retrievers.store.verify import Problem, find_problems
from .retriever_set import RetrieverSet
from .setup import indexed
from .status import VerifyReport, refresh_derived, repair_vectors

__all__ = ["verify_index"]


def verify_index(index: Index, retrievers: RetrieverSet, *, repair: bool) -> VerifyReport:
    """Returns what is wrong with an index, after reading every byte of it; mends it if asked to.

    Args:
        index: The index.
        retrievers: Those that serve it.
        repair: Encode lost vectors again, and rebuild derived indexes.

    Raises:
        IndexCorruptError: The catalog itself can't be read.
    """
    problems = _lasting_problems(index, retrievers)
    if not repair or not problems:
        return VerifyReport(problems, problems)
    with index.write() as writer:
        encoding = indexed(retrievers.of(writer.config()))
        with index.read() as snapshot:
            # Again, now that nobody else can change anything.
            found = tuple(find_problems(snapshot, retrievers.of))
            repair_vectors(writer, snapshot, found, encoding)
        refresh_derived(writer, found, encoding)  # outside: it reads the vectors as they are now
    with index.read() as snapshot:
        return VerifyReport(found, tuple(find_problems(snapshot, retrievers.of)))


def _lasting_problems(index: Index, retrievers: RetrieverSet) -> tuple[Problem, ...]:
    """Returns what is wrong at a second look too: a writer may replace a file while it is read."""
    with index.read() as snapshot:
        problems = find_problems(snapshot, retrievers.of)
    if not problems:
        return ()
    with index.read() as snapshot:
        again = {(it.file, it.cure) for it in find_problems(snapshot, retrievers.of)}
    behind = writer_pid(index.folder) is not None  # a writer refreshes at its end
    return tuple(it for it in problems if (it.file, it.cure) in again and not (behind and it.cure == "refresh"))

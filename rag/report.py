"""What a change of the index did, and what it could not do."""

from __future__ import annotations

from dataclasses import dataclass

from ..loaders.files import SkippedFile
from ..loaders.node import LoadFailure

__all__ = ["AddReport"]


@dataclass(frozen=True, slots=True)
class AddReport:
    """The outcome of `add`, `sync` or `remove`. Every document counted here is on the disk.

    Args:
        added: Documents that are new in the index.
        updated: Documents whose content had changed.
        unchanged: Documents that were left as they are.
        removed: Documents that were taken out.
        nodes: Nodes written in this run.
        failed: Files that could not be read; what the index held of them before stays, marked stale.
        skipped: Files that nobody claimed to read, and parts of files that hold no text.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    nodes: int = 0
    failed: tuple[LoadFailure, ...] = ()
    skipped: tuple[SkippedFile, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Returns the report as plain JSON values."""
        return {
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "removed": self.removed,
            "nodes": self.nodes,
            "failed": [{"source": it.source, "error": it.error, "reason": it.reason} for it in self.failed],
            "skipped": [{"source": it.source, "reason": it.reason} for it in self.skipped],
        }

"""What a change of the index did, and what it could not do."""

from __future__ import annotations

from dataclasses import dataclass

from ...loaders.files import SkippedFile
from ...loaders.node import LoadFailure
from ..plain_markdown import plain_markdown

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
        skipped: Files and folders that nobody claims to read.
        warnings: What could not be read of a document that is in the index, or had to be guessed: (source, words).
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    nodes: int = 0
    failed: tuple[LoadFailure, ...] = ()
    skipped: tuple[SkippedFile, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()

    def summary(self) -> str:
        """Returns the counts in words, such as "2 added, 1 unchanged (14 nodes written)"."""
        counts = {
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "removed": self.removed,
            "failed": len(self.failed),
        }
        done = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing to do"
        return f"{done} ({self.nodes} nodes written)" if self.nodes else done

    def _repr_markdown_(self) -> str:
        """Shows the outcome in a notebook; names of files and what is said of them are shown letter by letter."""
        named = [
            *(("failed", it.source, it.reason) for it in self.failed),
            *(("skipped", it.source, it.reason) for it in self.skipped),
            *(("note", source, words) for source, words in self.warnings),
        ]
        lines = [f"- {what} {plain_markdown(source)}: {plain_markdown(words)}" for what, source, words in named]
        return "\n".join([self.summary(), "", *lines]).strip()

    def as_dict(self) -> dict[str, object]:
        """Returns the report as plain JSON values; parts of files that were not read stand with what was skipped."""
        left_out = [*((it.source, it.reason) for it in self.skipped), *self.warnings]
        return {
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "removed": self.removed,
            "nodes": self.nodes,
            "failed": [{"source": it.source, "error": it.error, "reason": it.reason} for it in self.failed],
            "skipped": [{"source": source, "reason": reason} for source, reason in left_out],
        }

"""Whether what is published beside an index was made by the versions that are here: searches leave the rest aside."""

from __future__ import annotations

from pathlib import Path

__all__ = ["is_of_this_version"]


def is_of_this_version(name: str, folder: Path) -> bool:
    """Returns whether searches can read a derived index, as its manifest says; its other files are not looked into.

    Args:
        name: Of the derived index, such as "plaid"; one of a kind without a manifest is readable.
        folder: Where it stands.
    """
    # Each kind is imported where there is one: an index without PLAID loads nothing of it to say how it is.
    kind = "candidates" if name.endswith("-candidates") else name.partition("-")[0]
    if kind == "candidates":
        from .candidates_files import ReducedFiles

        try:
            return ReducedFiles(folder).is_of_this_version()
        except (OSError, ValueError):
            return False
    if kind == "plaid":
        from .plaid.generation import Generation, PlaidFailed

        try:
            Generation(folder)
        except PlaidFailed:
            return False
    if kind == "chroma":
        from .chroma.collection import ChromaFailed
        from .chroma.generation import Generation as ChromaGeneration

        try:
            ChromaGeneration(folder)
        except ChromaFailed:
            return False
    return True

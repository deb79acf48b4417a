"""How much one file may cost before a loader refuses it."""

from __future__ import annotations

from ..errors import LimitExceededError

__all__ = ["MAX_FILE_BYTES", "MAX_PAGES", "MEMORY_BYTES", "SECONDS_A_FILE", "SECONDS_A_PAGE", "check_size"]

MAX_FILE_BYTES = (
    50 * 1024 * 1024
)  # a 1,000-page book with pictures fits; a whole text this long is a corpus, not a document
MAX_PAGES = 2_000  # at one node a page and three chunks a page, still one document that an index can hold whole
SECONDS_A_FILE = 20.0  # opening and parsing the slowest honest HTML of MAX_FILE_BYTES takes a few seconds
SECONDS_A_PAGE = 1.0  # an honest page takes about a millisecond, a dense map up to half a second
MEMORY_BYTES = 1_500_000_000  # address space of a parsing process; an honest 50 MB file needs a third of it


def check_size(size: int, source: str) -> None:
    """Returns if a file of this size is read.

    Args:
        size: The file's size in bytes.
        source: Its absolute path.

    Raises:
        LimitExceededError: It is larger than `MAX_FILE_BYTES`.
    """
    if size > MAX_FILE_BYTES:
        raise LimitExceededError(
            f"the file has {size / 2**20:.1f} MB, more than the limit of {MAX_FILE_BYTES / 2**20:.0f} MB: split it",
            source=source,
        )

"""How much one file may cost before a loader refuses it."""

from __future__ import annotations

from ..errors import InvalidArgumentError, LimitExceededError

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_INFLATED_BYTES",
    "MAX_INFLATION",
    "MAX_MEMBERS",
    "MAX_PAGES",
    "MAX_PAGE_PIXELS",
    "MEMORY_BYTES",
    "POINTS_AN_INCH",
    "RENDER_DPI",
    "SECONDS_A_FILE",
    "SECONDS_A_PAGE",
    "SMALL_INFLATED_BYTES",
    "check_page",
    "check_size",
    "page_pixels",
]

MAX_FILE_BYTES = (
    50 * 1024 * 1024
)  # a 1,000-page book with pictures fits; a whole text this long is a corpus, not a document
MAX_PAGES = 2_000  # at one node a page and three chunks a page, still one document that an index can hold whole
SECONDS_A_FILE = 20.0  # opening and parsing the slowest honest HTML of MAX_FILE_BYTES takes a few seconds
SECONDS_A_PAGE = 1.0  # an honest page takes about a millisecond, a dense map up to half a second
MEMORY_BYTES = 1_500_000_000  # address space of a parsing process; an honest 50 MB file needs a third of it
MAX_PAGE_PIXELS = 40_000_000  # an A0 poster at RENDER_DPI has 35 million; four bytes each make 160 MB
RENDER_DPI = 150  # what page images are made at: small print is legible
POINTS_AN_INCH = 72
MAX_INFLATED_BYTES = 256 * 1024 * 1024  # of an Office file: a workbook this large takes minutes to read
SMALL_INFLATED_BYTES = 16 * 1024 * 1024  # no bomb, whatever its ratio: a blank picture in a short letter inflates well
MAX_INFLATION = 200  # honest Office files inflate 3 to 30 times, tables of equal cells up to 100, bombs 1,000 times
MAX_MEMBERS = 20_000  # parts of an Office file: a slide with notes and pictures has ten, and MAX_PAGES of them


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


def page_pixels(width: float, height: float) -> float:
    """Returns how many pixels an image of a page has at `RENDER_DPI`.

    Args:
        width: The page's width in PDF points.
        height: Its height.
    """
    return width * height * (RENDER_DPI / POINTS_AN_INCH) ** 2


def check_page(page: int, count: int, source: str) -> None:
    """Returns if a document has this page.

    Args:
        page: The page's number.
        count: How many pages the document has.
        source: What it is called in the message.

    Raises:
        InvalidArgumentError: It has not.
    """
    if not 1 <= page <= count:
        pages = "is one page" if count == 1 else f"are {count} pages"
        raise InvalidArgumentError(f"there {pages} in {source!r}, counted from 1, and no page {page}")

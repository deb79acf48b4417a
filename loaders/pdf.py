"""PDF text, page by page, with pdfium. It runs in a parsing process: the files are not trusted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CorruptDocumentError, EncryptedDocumentError, LimitExceededError
from .document import Document, Section
from .limits import MAX_PAGES, check_size
from .node import MetadataValue
from .text import clean

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

__all__ = ["read_pdf"]

# pdfium marks the hyphen of a word broken at a line's end; the word is one again without it.
_BROKEN_WORD = re.compile("[\x02\ufffe](?:[ \t]*\r?\n)?")
_LINE_SPACE = re.compile(r"[ \t]+$", re.MULTILINE)
# What programs write where an author named nothing.
_UNNAMED = re.compile(
    r"(?:untitled(?: document)?|document ?\d*|microsoft word|slide 1|powerpoint presentation|"
    r"anonymous|unknown|unspecified)\Z",
    re.IGNORECASE,
)
_PROGRAM = re.compile(r"^Microsoft (?:Word|PowerPoint|Excel) - ")
MAX_METADATA_CHARS = 500  # a longer title or author is an accident


def read_pdf(path: str, source: str, *, on_pages: Callable[[int], None] | None = None) -> Document:
    """Returns the PDF's text, one section a page.

    A section's metadata has the page's printed label as `page_label` ("iv"; the page number where there is none); the
    document's have `page_count`, and `title` and `author` where the file says them.

    Args:
        path: Where the file is.
        source: What the document is called in nodes and messages.
        on_pages: Called with the number of pages before they are read.

    Raises:
        EncryptedDocumentError: It needs a password.
        CorruptDocumentError: It is no PDF that pdfium can open.
        LimitExceededError: It has too many bytes or pages.
    """
    check_size(Path(path).stat().st_size, source)
    with closing(_open(path, source)) as pdf:
        count = len(pdf)
        if count > MAX_PAGES:
            raise LimitExceededError(
                f"the PDF has {count} pages, more than the limit of {MAX_PAGES}: split it", source=source
            )
        if on_pages is not None:
            on_pages(count)
        sections, failed, bare = _read_pages(pdf, count)
        metadata: dict[str, MetadataValue] = {"page_count": count, **_properties(pdf)}
    return Document(source, tuple(sections), metadata, warnings=_warnings(failed, bare))


def _open(path: str, source: str) -> PdfDocument:
    from pypdfium2 import PdfDocument, PdfiumError
    from pypdfium2.raw import FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY

    try:
        return PdfDocument(path)
    except PdfiumError as err:
        if err.err_code in (FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY):
            raise EncryptedDocumentError(
                "the PDF is encrypted and needs a password: save a copy without one, for example with 'qpdf --decrypt'",
                source=source,
            ) from err
        raise CorruptDocumentError(
            f"the PDF can't be opened, it is damaged or no PDF ({err}): open it in a viewer and save it again",
            source=source,
        ) from err


def _read_pages(pdf: PdfDocument, count: int) -> tuple[list[Section], dict[int, str], list[int]]:
    from pypdfium2 import PdfiumError

    sections: list[Section] = []
    failed: dict[int, str] = {}
    bare: list[int] = []
    for index in range(count):
        text, number = "", index + 1
        try:
            text, has_content = _page_text(pdf, index)
            if not text and has_content:
                bare.append(number)
        except PdfiumError as err:
            failed[number] = str(err)
        label = clean(pdf.get_page_label(index)).strip() or str(number)
        sections.append(Section(text, page=number, metadata={"page_label": label}))
    return sections, failed, bare


def _page_text(pdf: PdfDocument, index: int) -> tuple[str, bool]:
    from pypdfium2.raw import FPDFPage_CountObjects

    with closing(pdf[index]) as page, closing(page.get_textpage()) as textpage:
        raw = textpage.get_text_bounded()
        text = _LINE_SPACE.sub("", clean(_BROKEN_WORD.sub("", raw))).strip("\n")
        return text, FPDFPage_CountObjects(page) > 0


def _properties(pdf: PdfDocument) -> dict[str, MetadataValue]:
    title, author = (" ".join(clean(pdf.get_metadata_value(key)).split()) for key in ("Title", "Author"))
    named = {"title": _PROGRAM.sub("", title), "author": author}
    return {key: value[:MAX_METADATA_CHARS] for key, value in named.items() if value and not _UNNAMED.match(value)}


def _warnings(failed: dict[int, str], bare: Sequence[int]) -> tuple[str, ...]:
    warnings = [f"page {number} can't be read ({reason}): its text is missing" for number, reason in failed.items()]
    if bare:
        pages, them = (f"page {bare[0]} has", "it") if len(bare) == 1 else (f"pages {_ranges(bare)} have", "them")
        warnings.append(f"{pages} no text layer: index {them} with the ColPali retriever or run OCR first")
    return tuple(warnings)


def _ranges(numbers: Sequence[int]) -> str:
    """Returns sorted numbers as "1-3, 7"."""
    breaks = [at for at, (left, right) in enumerate(pairwise(numbers), 1) if right != left + 1]
    runs = [numbers[start:end] for start, end in pairwise([0, *breaks, len(numbers)])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)

"""PDF text, page by page, with pdfium. It runs in a parsing process: the files are not trusted."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CorruptDocumentError, EncryptedDocumentError, LimitExceededError
from .document import Document, Section
from .limits import MAX_PAGE_PIXELS, MAX_PAGES, RENDER_DPI, check_size, page_pixels
from .properties import named_properties
from .ranges import bare_pages, pages_in_words
from .text import clean

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

__all__ = ["BROKEN_WORD", "LINE_SPACE", "open_pdf", "read_pdf"]

# pdfium marks the hyphen of a word broken at a line's end; the word is one again without it.
BROKEN_WORD = re.compile("[\x02\ufffe](?:[ \t]*\r?\n)?")
LINE_SPACE = re.compile(r"[ \t]+$", re.MULTILINE)


@dataclass(slots=True)
class _Troubles:
    """What could not be read: the pages by number, 1-based."""

    failed: dict[int, str] = field(default_factory=dict)  # and why
    bare: list[int] = field(default_factory=list)  # something is on them, but no text
    huge: list[int] = field(default_factory=list)


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
    with closing(open_pdf(path, source)) as pdf:
        count = len(pdf)
        if count > MAX_PAGES:
            raise LimitExceededError(
                f"the PDF has {count} pages, more than the limit of {MAX_PAGES}: split it", source=source
            )
        if on_pages is not None:
            on_pages(count)
        sections, troubles = _read_pages(pdf, count)
        named = named_properties(pdf.get_metadata_value("Title"), pdf.get_metadata_value("Author"))
    return Document(source, tuple(sections), {"page_count": count, **named}, warnings=_warnings(troubles))


def open_pdf(path: str, source: str) -> PdfDocument:
    """Returns the opened PDF.

    Raises:
        EncryptedDocumentError: It needs a password.
        CorruptDocumentError: It is no PDF that pdfium can open.
    """
    from pypdfium2 import PdfDocument, PdfiumError
    from pypdfium2.raw import FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY, FPDF_LoadMemDocument

    # pdfium tells the last error that it set, and sets none for a file without pages, which would have the error of the
    # file before, such as a wrong password. So one is set first: that nothing at all is no PDF.
    FPDF_LoadMemDocument(b"", 0, None)
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


def _read_pages(pdf: PdfDocument, count: int) -> tuple[list[Section], _Troubles]:
    from pypdfium2 import PdfiumError

    sections: list[Section] = []
    troubles = _Troubles()
    for index in range(count):
        text, number = "", index + 1
        try:
            text = _page_text(pdf, index, troubles)
        except PdfiumError as err:
            troubles.failed[number] = str(err)
        label = clean(pdf.get_page_label(index)).strip() or str(number)
        sections.append(Section(text, page=number, metadata={"page_label": label}))
    return sections, troubles


def _page_text(pdf: PdfDocument, index: int, troubles: _Troubles) -> str:
    from pypdfium2.raw import FPDFPage_CountObjects, FPDFPage_GetAnnotCount

    with closing(pdf[index]) as page, closing(page.get_textpage()) as textpage:
        if not page_pixels(*page.get_size()) <= MAX_PAGE_PIXELS:  # a size may be no number at all
            troubles.huge.append(index + 1)
        raw = textpage.get_text_bounded()
        text = clean(BROKEN_WORD.sub("", raw))
        if " \n" in text or "\t\n" in text or text.endswith((" ", "\t")):  # looking is cheaper than replacing nothing
            text = LINE_SPACE.sub("", text)
        text = text.strip("\n")
        # Without any object on it, a page may still show a stamp, a note or a form's fields.
        if not text and (FPDFPage_CountObjects(page) > 0 or FPDFPage_GetAnnotCount(page) > 0):
            troubles.bare.append(index + 1)
        return text


def _warnings(troubles: _Troubles) -> tuple[str, ...]:
    warnings = [
        f"page {page} can't be read ({reason}): its text is missing" for page, reason in troubles.failed.items()
    ]
    if troubles.bare:
        warnings.append(bare_pages(troubles.bare))
    if troubles.huge:
        pages, them = pages_in_words(troubles.huge)
        are = "is" if them == "it" else "are"
        warnings.append(
            f"{pages} {are} too large for an image (over {MAX_PAGE_PIXELS / 1e6:.0f} megapixels at {RENDER_DPI} dpi): "
            f"only the text of {them} is read"
        )
    return tuple(warnings)

"""PDFs made on the spot."""

import io

import pikepdf
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas


def make_pdf(pages, *, title="", author=""):
    """A PDF with the lines of each page; a page of None shows a box without any text."""
    buffer = io.BytesIO()
    drawing = canvas.Canvas(buffer, pagesize=A4)
    drawing.setTitle(title)
    drawing.setAuthor(author)
    for lines in pages:
        if lines is None:
            drawing.rect(50, 50, 100, 100, fill=1)
        for at, line in enumerate(lines or []):
            drawing.drawString(72, 780 - 16 * at, line)
        drawing.showPage()
    drawing.save()
    return buffer.getvalue()


def changed(pdf, change, **save):
    """The PDF after `change(pikepdf.Pdf)`."""
    buffer = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        change(opened)
        opened.save(buffer, **save)
    return buffer.getvalue()

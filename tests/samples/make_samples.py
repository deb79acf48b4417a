"""Make the two PDF files of `notebooks/samples` from the texts beside this script.

    python tests/samples/make_samples.py

The same versions of reportlab, pikepdf, pypdfium2 and Pillow give the same bytes.
The other samples are kept as they were written.
"""

import io
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pikepdf
import pypdfium2
from PIL import Image, ImageFilter
from reportlab import rl_config
from reportlab.graphics.shapes import Drawing, Group, Line, PolyLine, Rect, String
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)
from reportlab.platypus.tableofcontents import TableOfContents

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[1] / "notebooks" / "samples"

TITLE = "The Harbour Street Water Handbook"
AUTHOR = "The lateral project"
FIXED_DATE = "D:20240301090000Z"  # so that every run writes the same bytes
PAGE_SIZE = (176 * mm, 250 * mm)  # B5, a handbook's size
MARGIN = 20 * mm
TEXT_WIDTH: float = PAGE_SIZE[0] - 2 * MARGIN
BAND = 110 * mm  # height of the colour on the title page
FRONT_PAGES = 2  # title and contents, numbered i and ii; the first chapter is page 3 by label and by count
BLUE = colors.HexColor("#1f4e79")
PALE = colors.HexColor("#eaf1f7")
GREY = colors.HexColor("#5a6570")

SCAN_DPI = 120
SCAN_TILTS = (0.9, -0.6)  # degrees: a sheet never lies straight on the glass
SCAN_NOISE = 4.0  # standard deviation in grey levels of 0 to 255
JPEG_QUALITY = 45

BODY = ParagraphStyle(
    "body", fontName="Times-Roman", fontSize=10.5, leading=14, spaceAfter=6, allowWidows=0, allowOrphans=0
)
LIST = ParagraphStyle(
    "list", BODY, leftIndent=16, bulletIndent=2, bulletFontName="Times-Roman", bulletFontSize=10.5, spaceAfter=3
)
NOTE = ParagraphStyle(
    "note", BODY, backColor=PALE, borderPadding=(6, 8, 6, 8), leftIndent=8, rightIndent=8, spaceBefore=12, spaceAfter=14
)
CAPTION = ParagraphStyle(
    "caption", BODY, fontName="Times-Italic", fontSize=9.5, leading=12, textColor=GREY, spaceAfter=12
)
CHAPTER = ParagraphStyle(
    "chapter",
    fontName="Helvetica-Bold",
    fontSize=16,
    leading=20,
    textColor=BLUE,
    spaceBefore=16,
    spaceAfter=8,
    keepWithNext=1,
)
SECTION = ParagraphStyle("section", CHAPTER, fontSize=11.5, leading=15, spaceBefore=8, spaceAfter=4)
CENTRED = ParagraphStyle("centred", BODY, alignment=1)

ABOUT = (
    "This handbook says how to keep drinking water safe at home when a storm, a burst main or a power cut stops the "
    "supply. Each chapter stands alone. The quantities are in litres, metres and degrees Celsius.",
    "Harbour Street is fictional, and this handbook was written as a sample document for the lateral project. Its "
    "figures follow guidance that public health bodies publish widely. In a real emergency, follow your own local "
    "authority first.",
)


def inline(text: str) -> str:
    """Return reportlab's markup for **bold** and *italic* text."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
    return re.sub(r"\*(.+?)\*", r"<i>\1</i>", text)


def boiling_point(altitude: float) -> float:
    """Return the boiling point of water in degrees Celsius at an altitude in metres.

    Source: pressure of the International Standard Atmosphere, then the Antoine equation for water (1 to 100 degrees).
    """
    pressure_mmhg = 760 * math.pow(1 - 2.25577e-5 * altitude, 5.25588)
    return 1730.63 / (8.07131 - math.log10(pressure_mmhg)) - 233.426


def label(x: float, y: float, text: str, anchor: str = "middle", size: float = 8.5, bold: bool = False) -> String:
    """Return one line of chart text."""
    font = "Helvetica-Bold" if bold else "Helvetica"
    return String(x, y, text, textAnchor=anchor, fontName=font, fontSize=size, fillColor=colors.black)


def boiling_chart() -> Drawing:
    """Return the chart of boiling point against altitude, drawn as vectors."""
    width, height, left, bottom, top = TEXT_WIDTH, float(62 * mm), 42, 34, 10
    plot_width, plot_height = width - left - 12, height - bottom - top
    highest, coldest, hottest, limit = 4000, 84, 102, 2000

    def across(altitude: float) -> float:
        return left + plot_width * altitude / highest

    def up(degrees: float) -> float:
        return bottom + plot_height * (degrees - coldest) / (hottest - coldest)

    chart = Drawing(width, height)
    chart.add(
        Rect(across(limit), bottom, across(highest) - across(limit), plot_height, fillColor=PALE, strokeColor=None)
    )
    for degrees in range(coldest, hottest + 1, 4):
        chart.add(
            Line(left, up(degrees), left + plot_width, up(degrees), strokeColor=colors.lightgrey, strokeWidth=0.4)
        )
        chart.add(label(left - 6, up(degrees) - 3, str(degrees), "end"))
    for altitude in range(0, highest + 1, 500):
        chart.add(Line(across(altitude), bottom, across(altitude), bottom - 3, strokeWidth=0.6))
        if altitude % 1000 == 0:
            chart.add(label(across(altitude), bottom - 13, f"{altitude:,}"))
    chart.add(Line(left, bottom, left + plot_width, bottom, strokeWidth=0.8))
    chart.add(Line(left, bottom, left, bottom + plot_height, strokeWidth=0.8))
    curve = [point for metres in range(0, highest + 1, 50) for point in (across(metres), up(boiling_point(metres)))]
    chart.add(PolyLine(curve, strokeColor=BLUE, strokeWidth=1.8))
    chart.add(label(across(limit / 2), bottom + 12, "boil for 1 minute", bold=True))
    chart.add(label(across(1.5 * limit), bottom + 12, "boil for 3 minutes", bold=True))
    for metres in (1000, 2000, 3000):
        point = f"{boiling_point(metres):.0f} °C"
        chart.add(label(across(metres) + 4, up(boiling_point(metres)) + 5, point, "start"))
    chart.add(label(left + plot_width / 2, 4, "Altitude above sea level, metres"))
    sideways = Group(label(0, 0, "Boiling point, degrees Celsius"))
    sideways.translate(10, bottom + plot_height / 2)
    sideways.rotate(90)
    chart.add(sideways)
    return chart


FIGURES = {"boiling-point": boiling_chart}


def table(lines: list[str]) -> Table:
    """Return a table of the rows written as `| a | b |`, the first of them its head."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    needed = [max(stringWidth(cell, "Helvetica-Bold", 9) for cell in column) for column in zip(*rows, strict=True)]
    spare = (TEXT_WIDTH - sum(needed)) / len(needed)
    widths = [width + spare for width in needed]
    style = [
        ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 9),
        ("FONT", (0, 1), (-1, -1), "Helvetica", 9),
        ("TEXTCOLOR", (0, 0), (-1, 0), colors.white),
        ("BACKGROUND", (0, 0), (-1, 0), BLUE),
        ("ROWBACKGROUNDS", (0, 1), (-1, -1), [colors.white, PALE]),
        ("LINEBELOW", (0, -1), (-1, -1), 0.8, BLUE),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
    ]
    return Table(rows, colWidths=widths, style=TableStyle(style), spaceBefore=4, spaceAfter=5)


def block(lines: list[str]) -> Flowable:
    """Return the flowable for one block of the handbook's text."""
    first = lines[0]
    if first.startswith("|"):
        rows = [line for line in lines if line.startswith("|")]
        return KeepTogether([table(rows), Paragraph(inline(lines[-1]), CAPTION)])
    if first.startswith("!figure"):
        return KeepTogether([FIGURES[first.split()[1]](), Spacer(1, 4), Paragraph(inline(lines[-1]), CAPTION)])
    for mark, style in (("# ", CHAPTER), ("## ", SECTION), ("> ", NOTE)):
        if first.startswith(mark):
            return Paragraph(inline(first.removeprefix(mark)), style)
    return Paragraph(inline(first), BODY)


def listing(lines: list[str]) -> Flowable:
    """Return a numbered or bulleted list that stays on one page."""
    items = [line.split(" ", 1) for line in lines]
    parts = [Paragraph(inline(text), LIST, bulletText="•" if mark == "-" else mark) for mark, text in items]
    return KeepTogether([*parts, Spacer(1, 4)])


def chapters(text: str) -> Iterator[Flowable]:
    """Yield the flowables of the handbook's running text."""
    for part in text.strip().split("\n\n"):
        lines = part.split("\n")
        yield listing(lines) if re.match(r"(- |\d+\. )", lines[0]) else block(lines)


class Handbook(BaseDocTemplate):  # type: ignore[misc]  # reportlab has no types
    """A document that tells its table of contents and outline about each chapter."""

    def afterFlowable(self, flowable: Flowable) -> None:
        """Enter a chapter's heading in the contents and in the outline."""
        if isinstance(flowable, Paragraph) and flowable.style.name == "chapter":
            title = flowable.getPlainText()
            key = f"chapter-{title}"
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(title, key)
            self.notify("TOCEntry", (0, title, self.page, key))


def footer(canvas: Canvas, document: BaseDocTemplate) -> None:
    """Draw the page number: roman for the contents, arabic from the first chapter on."""
    number = "ii" if document.page <= FRONT_PAGES else str(document.page)
    canvas.setFont("Helvetica", 8.5)
    canvas.setFillColor(GREY)
    canvas.drawString(MARGIN, 11 * mm, TITLE)
    canvas.drawRightString(PAGE_SIZE[0] - MARGIN, 11 * mm, number)


def cover(canvas: Canvas, document: BaseDocTemplate) -> None:
    """Draw the title page's band of colour."""
    canvas.setFillColor(BLUE)
    canvas.rect(0, PAGE_SIZE[1] - BAND, PAGE_SIZE[0], BAND, stroke=0, fill=1)


def front_matter() -> list[Flowable]:
    """Return the title page and the page of contents."""
    title = ParagraphStyle("title", CHAPTER, fontSize=29, leading=37, alignment=1, textColor=colors.white)
    contents = TableOfContents(dotsMinLevel=0, levelStyles=[ParagraphStyle("entry", BODY, spaceAfter=4)])
    return [
        Spacer(1, 42 * mm),
        Paragraph(TITLE.replace(" Water", "<br/>Water"), title),
        Spacer(1, 28 * mm),
        Paragraph("Keeping drinking water safe at home<br/>after a storm and in a power cut", CENTRED),
        Spacer(1, 60 * mm),
        Paragraph("A sample document of the lateral project<br/>March 2024", CENTRED),
        NextPageTemplate("text"),
        PageBreak(),
        Paragraph("About this handbook", ParagraphStyle("unlisted", CHAPTER)),
        *(Paragraph(paragraph, BODY) for paragraph in ABOUT),
        Paragraph("Contents", ParagraphStyle("unlisted", CHAPTER)),
        contents,
        PageBreak(),
    ]


def save(raw: bytes, target: Path, title: str, labelled: bool) -> None:
    """Write a PDF with fixed metadata and, for the handbook, page labels."""
    with pikepdf.open(io.BytesIO(raw)) as pdf:
        for key in [str(key) for key in pdf.docinfo]:
            del pdf.docinfo[key]
        pdf.docinfo["/Title"] = title
        pdf.docinfo["/Author"] = AUTHOR
        pdf.docinfo["/CreationDate"] = pdf.docinfo["/ModDate"] = pikepdf.String(FIXED_DATE)
        if labelled:
            roman = pikepdf.Dictionary(S=pikepdf.Name.r)
            arabic = pikepdf.Dictionary(S=pikepdf.Name.D, St=FRONT_PAGES + 1)
            pdf.Root.PageLabels = pikepdf.Dictionary(Nums=pikepdf.Array([0, roman, FRONT_PAGES, arabic]))
            pdf.Root.Lang = pikepdf.String("en-GB")
        pdf.save(target, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)


def make_handbook(target: Path) -> None:
    """Write the typeset handbook."""
    raw = io.BytesIO()
    document = Handbook(raw, pagesize=PAGE_SIZE, invariant=1)
    frame = Frame(MARGIN, MARGIN, TEXT_WIDTH, PAGE_SIZE[1] - 2 * MARGIN, 0, 0, 0, 0)
    document.addPageTemplates(
        [PageTemplate("cover", [frame], onPage=cover), PageTemplate("text", [frame], onPageEnd=footer)]
    )
    document.multiBuild([*front_matter(), *chapters((HERE / "handbook.md").read_text(encoding="utf-8"))])
    save(raw.getvalue(), target, TITLE, labelled=True)


def typed_sheets(text: str) -> bytes:
    """Return a PDF of typewritten A4 sheets, one for each part of the notice."""
    raw = io.BytesIO()
    canvas = Canvas(raw, pagesize=A4, invariant=1)
    for sheet in text.split("%%\n"):
        pen = canvas.beginText(26 * mm, A4[1] - 30 * mm)
        for line in sheet.rstrip().split("\n"):
            heading = bool(line) and line == line.upper()
            pen.setFont("Courier-Bold" if heading else "Courier", 11.5, 18)
            pen.textLine(line)
        canvas.drawText(pen)
        canvas.rect(18 * mm, 18 * mm, A4[0] - 36 * mm, A4[1] - 36 * mm)
        canvas.showPage()
    canvas.save()
    return raw.getvalue()


def scanned(sheet: Image.Image, tilt: float, seed: int) -> bytes:
    """Return a sheet as a flatbed scanner would give it: tilted, soft, uneven and noisy, as JPEG."""
    tilted = sheet.convert("L").rotate(tilt, Image.Resampling.BICUBIC, fillcolor=255)
    soft = np.asarray(tilted.filter(ImageFilter.GaussianBlur(0.6)), dtype=np.float64)
    shade = np.linspace(0, 14, soft.shape[1])  # the lid did not close on the right
    noise = np.random.default_rng(seed).normal(0, SCAN_NOISE, soft.shape)
    grey = np.clip(soft * 0.9 + 18 - shade + noise, 0, 255).astype(np.uint8)
    raw = io.BytesIO()
    Image.fromarray(grey).save(raw, "JPEG", quality=JPEG_QUALITY)
    return raw.getvalue()


def make_scan(target: Path) -> None:
    """Write the notice as page images without a text layer."""
    sheets = pypdfium2.PdfDocument(typed_sheets((HERE / "notice.txt").read_text(encoding="utf-8")))
    raw = io.BytesIO()
    rl_config.useA85 = 0  # binary image streams are a fifth smaller
    canvas = Canvas(raw, pagesize=A4, invariant=1)
    for seed, (sheet, tilt) in enumerate(zip(sheets, SCAN_TILTS, strict=True)):
        image = sheet.render(scale=SCAN_DPI / 72).to_pil()
        canvas.drawImage(ImageReader(io.BytesIO(scanned(image, tilt, seed))), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    save(raw.getvalue(), target, "Boil water notice 7 (scan)", labelled=False)


def main() -> None:
    """Write both files into `notebooks/samples`."""
    SAMPLES.mkdir(parents=True, exist_ok=True)
    make_handbook(SAMPLES / "water-handbook.pdf")
    make_scan(SAMPLES / "boil-notice-scan.pdf")


if __name__ == "__main__":
    main()

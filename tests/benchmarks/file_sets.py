"""The files that the benchmarks read, made on the spot."""

import io
import random

import bad_files
from office_files import make_docx, make_pptx, make_xlsx
from pdfs import make_pdf
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import A5
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

SETS = 10
BOOK_PAGES = 352
LINES_A_PAGE = 44
WORDS_A_LINE = 12
PARAGRAPHS_A_PAGE = 4
MARGIN = 40
PDFS = 8
# As many words as a book has: a text of nothing but new ones would measure the retrievers' tables of words.
_letters = random.Random(1)
VOCABULARY = ["".join(_letters.choices("etaoinshrdlu", k=_letters.randint(2, 9))) for _ in range(6_000)]


def write_mixed(folder):
    """300 files: ten sets of 20 good and 10 bad ones."""
    for number in range(SETS):
        below = folder / f"set-{number}"
        below.mkdir(parents=True, exist_ok=True)
        for name, raw in {**good(random.Random(number)), **bad()}.items():
            (below / name).write_bytes(raw)


def good(random_words):
    prose = ["\n".join(lines(random_words, 30)) for _ in range(4)]
    found = {f"{at}.txt": text.encode() for at, text in enumerate(prose)}
    found |= {f"{at}.md": f"# Part {at}\n\n{text}".encode() for at, text in enumerate(prose)}
    found |= {f"{at}.html": f"<h1>Part {at}</h1><p>{text}".encode() for at, text in enumerate(prose)}
    found |= {f"{at}.pdf": make_pdf([lines(random_words, LINES_A_PAGE) for _ in range(20)]) for at in range(4)}
    paragraphs = lines(random_words, 40)
    cells = [line.split() for line in paragraphs]
    found |= {"0.docx": make_docx(*paragraphs), "1.docx": make_docx("# Part", *paragraphs)}
    return found | {
        "0.pptx": make_pptx(*([line, *paragraphs[:5]] for line in paragraphs)),
        "0.xlsx": make_xlsx(S=cells),
    }


def bad():
    return {
        "empty.txt": b"",
        "locked.pdf": bad_files.encrypted_pdf(),
        "cut.pdf": bad_files.truncated_pdf(),
        "locked.docx": bad_files.encrypted_office(),
        "old.doc": bad_files.old_office(),
        "bomb.docx": bad_files.zip_bomb(),
        "entities.docx": bad_files.xml_entities(),
        "lying.docx": bad_files.lying_zip(),
        "huge-page.pdf": bad_files.huge_page(),
        "bad-utf-8.txt": b"caf\xc3\xa9 " * 20 + b"\xff tea",
    }


def write_pdfs(folder):
    """Equal text books, so that two workers have equal halves."""
    folder.mkdir(parents=True, exist_ok=True)
    book = make_book(random.Random(0))
    for number in range(PDFS):
        (folder / f"book-{number}.pdf").write_bytes(book)


def make_book(random_words):
    """A book as typesetters make them: chapters of justified paragraphs, the font embedded."""
    pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))
    styles = getSampleStyleSheet()
    body = ParagraphStyle("body", styles["BodyText"], fontName="Vera", fontSize=9, alignment=TA_JUSTIFY)
    story = []
    for page in range(BOOK_PAGES):
        story.append(Paragraph(f"Chapter {page + 1}", styles["Heading1"]))
        story += [Paragraph(" ".join(lines(random_words, 6)), body) for _ in range(PARAGRAPHS_A_PAGE)]
        story.append(PageBreak())
    buffer = io.BytesIO()
    SimpleDocTemplate(buffer, pagesize=A5, leftMargin=MARGIN, rightMargin=MARGIN).build(story)
    return buffer.getvalue()


def lines(random_words, count):
    return [" ".join(random_words.choices(VOCABULARY, k=WORDS_A_LINE)) + "." for _ in range(count)]

import io

import pytest
from images import make_image
from lateral.loaders.files import find_file
from lateral.rag.evaluation.folder_pages import FolderPage, read_pages
from lateral.rag.evaluation.page_pictures import MAX_PICTURE_PIXELS, PagePictures
from pdfs import make_pdf
from PIL import Image
from reportlab.lib.units import inch
from reportlab.pdfgen import canvas


def poster(width, height):
    """A PDF of one page of so many inches."""
    buffer = io.BytesIO()
    drawing = canvas.Canvas(buffer, pagesize=(width * inch, height * inch))
    drawing.drawString(72, 72, "A poster about wells.")
    drawing.showPage()
    drawing.save()
    return buffer.getvalue()


@pytest.fixture
def drawn(tmp_path):
    """Draws a page of a folder's file that holds the bytes."""

    def draw(name, raw, page):
        (tmp_path / name).write_bytes(raw)
        with PagePictures({name: find_file(tmp_path / name)}) as pictures:
            return pictures.of(FolderPage(name, page, "text"))

    return draw


def test_a_page_is_drawn_at_100_dots_an_inch(drawn):
    picture = drawn("well.pdf", make_pdf([["One."], ["Two."]]), 2)
    assert (picture.width, picture.height, picture.page) == (827, 1170, 2)  # A4 is 8.27 x 11.69 inches
    assert Image.open(io.BytesIO(picture.png)).size == (827, 1170)


def test_a_poster_is_scaled_down_to_the_limit(drawn):
    picture = drawn("poster.pdf", poster(60, 30), 1)  # 6,000 x 3,000 pixels at 100 dots
    assert 0.98 * MAX_PICTURE_PIXELS < picture.width * picture.height < 1.02 * MAX_PICTURE_PIXELS
    assert picture.width == pytest.approx(2 * picture.height, abs=2)


def test_what_has_no_pages_has_no_picture(drawn):
    assert drawn("tea.txt", b"Green tea.", None) is None
    assert drawn("tea.txt", b"Green tea.", 1) is None
    with PagePictures({}) as pictures:
        assert pictures.of(FolderPage("gone.pdf", 1, "text")) is None


def test_a_page_that_can_not_be_drawn_is_told_and_has_none(drawn, caplog):
    assert drawn("huge.pdf", poster(190, 190), 1) is None
    assert "page 1 of 'huge.pdf' is shown as text alone" in caplog.text
    assert "megapixels" in caplog.text


def test_an_image_file_has_a_picture_too(drawn):
    picture = drawn("dot.png", make_image("png", size=(60, 40)), 1)  # scans are taken to have 150 dots an inch
    assert (picture.width, picture.height) == (40, 27)


def test_the_pages_of_a_folder_come_with_their_files(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "well.pdf").write_bytes(make_pdf([["A flooded well."]]))
    read = read_pages(tmp_path)
    assert [page.file for page in read.pages] == list(read.files) == ["deep/well.pdf"]
    with PagePictures(read.files) as pictures:
        assert pictures.of(read.pages[0]).source == str(tmp_path / "deep" / "well.pdf")

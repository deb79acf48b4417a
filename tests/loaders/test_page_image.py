"""Where texts stand on a picture is known by hand here: at 72 dpi a point of the page is a pixel of it."""

import io
import time
from decimal import Decimal

import bad_files
import numpy as np
import pikepdf
import pytest
from images import make_image, opened
from lateral.errors import CorruptDocumentError, EncryptedDocumentError, InvalidArgumentError, LimitExceededError
from lateral.loaders import limits
from lateral.loaders.boxes import Stretch, find_boxes
from lateral.loaders.page_image import PageImage, check_dpi, draw_frame, draw_page, png_size
from pdfs import changed, make_pdf
from reportlab.lib.colors import red
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen import canvas

WIDTH, HEIGHT = 600, 800
WORD, X, Y, SIZE = "Simply", 72, 700, 12
MARGIN = 1.5  # points around a marked word
NEAR = 2  # pixels: letters begin and end a little within their advance
WHITE, YELLOW = (255, 255, 255), (255, 240, 110)


def draw(*, turned=0, crop=None, size=(WIDTH, HEIGHT)):
    """A PDF of one page with a word at its point."""
    buffer = io.BytesIO()
    drawing = canvas.Canvas(buffer, pagesize=size)
    drawing.setFont("Helvetica", SIZE)
    drawing.drawString(X, Y, WORD)
    drawing.drawString(X, 300, "Another word far below.")
    drawing.save()

    def change(pdf):
        pdf.pages[0].Rotate = turned
        if crop is not None:
            pdf.pages[0].CropBox = pikepdf.Array(crop)

    return changed(buffer.getvalue(), change)


def word_box():
    """Where the word stands on its page, in points: from the foot of its "p" to the top of its "l"."""
    return X, Y - 0.21 * SIZE, X + stringWidth(WORD, "Helvetica", SIZE), Y + 0.72 * SIZE


def yellow(picture):
    """The columns and rows of a picture that are marked: first and last of each."""
    pixels = np.asarray(opened(picture.png).convert("RGB")).astype(int)
    rows, columns = np.nonzero(pixels[..., 0] + pixels[..., 1] - 2 * pixels[..., 2] > 100)
    return columns.min(), rows.min(), columns.max(), rows.max()


class TestPages:
    def test_a_page_is_drawn_as_a_png(self, write):
        path = write(draw())
        picture = draw_page(path, "the source", page=1, dpi=144)
        assert (picture.source, picture.page, picture.dpi) == ("the source", 1, 144)
        assert (picture.width, picture.height) == (1200, 1600) == opened(picture.png).size
        assert opened(picture.png).info["dpi"] == pytest.approx((144, 144), abs=0.01)

    def test_letters_are_where_they_were_drawn_and_nothing_else_is(self, write):
        pixels = np.asarray(opened(draw_page(write(draw()), "x", page=1, dpi=72).png).convert("L"))
        dark = pixels < 128
        assert dark[HEIGHT - Y - 9 : HEIGHT - Y + 3, X : X + 35].any()
        assert not dark[:80].any()
        assert not dark[:, :70].any()

    @pytest.mark.parametrize(
        ("turned", "size"), [(0, (600, 800)), (90, (800, 600)), (180, (600, 800)), (270, (800, 600))]
    )
    def test_a_turned_page_is_turned(self, write, turned, size):
        picture = draw_page(write(draw(turned=turned)), "x", page=1, dpi=72)
        assert (picture.width, picture.height) == size

    def test_a_page_is_cut_to_its_crop_box(self, write):
        picture = draw_page(write(draw(crop=[50, 100, 550, 750])), "x", page=1, dpi=72)
        assert (picture.width, picture.height) == (500, 650)

    def test_annotations_are_drawn(self, write):
        def annotate(pdf):
            look = pikepdf.Stream(pdf, b"1 0 0 rg 0 0 40 40 re f", Type=pikepdf.Name.XObject)
            look.Subtype, look.BBox = pikepdf.Name.Form, pikepdf.Array([0, 0, 40, 40])
            note = pikepdf.Dictionary(
                Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Square, Rect=[200, 200, 240, 240], F=4
            )
            note.AP = pikepdf.Dictionary(N=look)
            pdf.pages[0].Annots = pdf.make_indirect(pikepdf.Array([pdf.make_indirect(note)]))

        picture = opened(draw_page(write(changed(draw(), annotate)), "x", page=1, dpi=72).png)
        assert picture.getpixel((220, HEIGHT - 220)) == (255, 0, 0)

    def test_what_is_filled_into_a_form_is_drawn(self, write):
        buffer = io.BytesIO()
        drawing = canvas.Canvas(buffer, pagesize=(WIDTH, HEIGHT))
        drawing.drawString(72, 700, "Name:")
        drawing.acroForm.textfield(name="a", x=100, y=100, width=80, height=30, value="", fillColor=red, borderWidth=0)
        drawing.save()
        picture = opened(draw_page(write(buffer.getvalue()), "x", page=1, dpi=72).png)
        assert picture.getpixel((140, HEIGHT - 115)) == (255, 0, 0)

    def test_one_page_of_many_is_drawn(self, write):
        path = write(make_pdf([["a"], None, ["c"]]))
        assert opened(draw_page(path, "x", page=2, dpi=72).png).getpixel((100, 742)) == (0, 0, 0)
        assert opened(draw_page(path, "x", page=3, dpi=72).png).getpixel((100, 742)) == WHITE

    @pytest.mark.parametrize("page", [0, -1, 3])
    def test_a_page_that_is_not_there(self, write, page):
        with pytest.raises(InvalidArgumentError, match=f"there are 2 pages in 'x', counted from 1, and no page {page}"):
            draw_page(write(make_pdf([["a"], ["b"]])), "x", page=page, dpi=72)

    def test_a_page_that_is_not_there_where_there_is_one(self, write):
        with pytest.raises(InvalidArgumentError, match="there is one page in 'x', counted from 1, and no page 2"):
            draw_page(write(make_pdf([["a"]])), "x", page=2, dpi=72)

    def test_a_page_that_cannot_be_read(self, write):
        def break_second(pdf):
            pdf.Root.Pages.Kids[1] = 5

        path = write(changed(make_pdf([["a"], ["b"], ["c"]]), break_second))
        with pytest.raises(CorruptDocumentError, match="page 2 can't be drawn"):
            draw_page(path, "x", page=2, dpi=72)

    def test_a_password(self, write):
        with pytest.raises(EncryptedDocumentError, match="needs a password"):
            draw_page(write(bad_files.encrypted_pdf()), "x", page=1, dpi=72)


class TestMarks:
    """The corners of the word on the picture, from the page's size, its crop and its turn."""

    @pytest.mark.parametrize("crop", [None, [50, 100, 550, 750]])
    @pytest.mark.parametrize("turned", [0, 90, 180, 270])
    def test_a_word_is_marked_where_it_stands(self, write, turned, crop):
        path = write(draw(turned=turned, crop=crop))
        boxes = find_boxes(path, "x", [Stretch(1, WORD)])[0]
        picture = draw_page(path, "x", page=1, dpi=72, marks=boxes)
        left, bottom, right, top = crop or [0, 0, WIDTH, HEIGHT]
        x0, y0, x1, y1 = word_box()
        places = {
            0: (x0 - left, top - y1, x1 - left, top - y0),
            90: (y0 - bottom, x0 - left, y1 - bottom, x1 - left),
            180: (right - x1, y0 - bottom, right - x0, y1 - bottom),
            270: (top - y1, right - x1, top - y0, right - x0),
        }
        expected = np.array(places[turned]) + np.array([-MARGIN, -MARGIN, MARGIN, MARGIN])
        assert yellow(picture) == pytest.approx(expected, abs=NEAR)

    def test_marks_grow_with_the_resolution(self, write):
        path = write(draw())
        boxes = find_boxes(path, "x", [Stretch(1, WORD)])[0]
        picture = draw_page(path, "x", page=1, dpi=300, marks=boxes)
        x0, y0, x1, y1 = word_box()
        expected = np.array([x0 - MARGIN, HEIGHT - y1 - MARGIN, x1 + MARGIN, HEIGHT - y0 + MARGIN]) * 300 / 72
        assert yellow(picture) == pytest.approx(expected, abs=NEAR * 300 / 72)

    def test_paper_turns_yellow_and_letters_stay_as_dark_as_they_were(self, write):
        path = write(draw())
        boxes = find_boxes(path, "x", [Stretch(1, WORD)])[0]
        plain, marked = (
            opened(draw_page(path, "x", page=1, dpi=300, marks=marks).png).convert("RGB") for marks in ((), boxes)
        )
        edge = (X * 300 // 72, (HEIGHT - Y - 3) * 300 // 72)  # between the left end and the first letter
        assert (plain.getpixel(edge), marked.getpixel(edge)) == (WHITE, YELLOW)
        before, after = np.asarray(plain).astype(int), np.asarray(marked).astype(int)
        assert (after[before == 0] == 0).all()
        assert (after[..., 0] == before[..., 0]).all()  # yellow film takes no red away

    def test_where_marks_overlap_it_is_no_darker(self, write):
        path = write(draw())
        picture = draw_page(path, "x", page=1, dpi=72, marks=[(300, 300, 400, 400), (350, 350, 450, 450)])
        image = opened(picture.png).convert("RGB")
        assert {image.getpixel(at) for at in ((320, 480), (375, 425), (430, 370))} == {YELLOW}

    def test_a_mark_outside_of_the_page_changes_nothing(self, write):
        path = write(draw())
        plain = draw_page(path, "x", page=1, dpi=72)
        far = [(-500, -500, -400, -400), (9_000, 9_000, 9_100, 9_100)]
        assert draw_page(path, "x", page=1, dpi=72, marks=far) == plain


class TestPixels:
    """What is too large is refused before a pixel of it is drawn."""

    def test_a_page_of_353_metres(self, write):
        begun = time.monotonic()
        with pytest.raises(
            LimitExceededError,
            match=r"page 2 would have 2,083,334 x 2,083,334 pixels at 150 dpi, more than the limit of 40 megapixels: "
            r"ask for at most 0\.45 dpi",
        ):
            draw_page(write(bad_files.huge_page()), "x", page=2, dpi=150)
        assert time.monotonic() - begun < 2

    def test_such_a_page_is_drawn_at_what_fits(self, write):
        picture = draw_page(write(bad_files.huge_page()), "x", page=2, dpi=0.45)
        assert (picture.width, picture.height) == (6250, 6250)

    def test_the_resolution_that_is_named_is_the_greatest_that_fits(self, write):
        path = write(draw())
        with pytest.raises(LimitExceededError, match="ask for at most 657 dpi"):  # sqrt(40e6 / 480e3) * 72 = 657.3
            draw_page(path, "x", page=1, dpi=658)
        picture = draw_page(path, "x", page=1, dpi=657)
        assert (picture.width, picture.height) == (5475, 7300)

    def test_a_page_that_no_resolution_fits(self, write):
        def stretch(pdf):
            pdf.pages[0].MediaBox = pikepdf.Array(
                [0, 0, Decimal(10**12) + Decimal("0.5"), Decimal(10**12) + Decimal("0.5")]
            )

        with pytest.raises(LimitExceededError, match="no resolution is low enough for it"):
            draw_page(write(changed(draw(), stretch)), "x", page=1, dpi=150)

    def test_a_file_with_too_many_bytes(self, tmp_path):
        with (tmp_path / "a.pdf").open("wb") as stream:
            stream.truncate(limits.MAX_FILE_BYTES + 1)
        with pytest.raises(LimitExceededError, match="more than the limit of 50 MB"):
            draw_page(str(tmp_path / "a.pdf"), "x", page=1, dpi=150)

    @pytest.mark.parametrize("dpi", [0, -150, float("nan"), float("inf")])
    def test_a_resolution_that_is_none(self, dpi):
        with pytest.raises(InvalidArgumentError, match=f"dpi must be a number above 0, such as 150, got {dpi}"):
            check_dpi(dpi)


class TestFrames:
    def test_a_frame_is_a_picture_too(self):
        raw = make_image("tiff", size=(600, 400), dpi=(300, 300))
        picture = draw_frame(raw, "the source", "tiff", page=1, dpi=150)
        assert (picture.source, picture.page, picture.dpi) == ("the source", 1, 150)
        assert (picture.width, picture.height) == (300, 200) == opened(picture.png).size
        assert opened(picture.png).getpixel((150, 100)) == (255, 0, 0)


class TestPageImage:
    @pytest.fixture
    def picture(self):
        return PageImage("/a.pdf", 3, 60, 40, 150, make_image("png"))

    def test_a_notebook_shows_it(self, picture):
        assert picture._repr_png_() == picture.png

    def test_its_bytes_are_not_printed(self, picture):
        assert repr(picture) == "PageImage(source='/a.pdf', page=3, width=60, height=40, dpi=150)"

    def test_it_is_saved(self, picture, tmp_path):
        where = picture.save(tmp_path / "a.png")
        assert (where, where.read_bytes()) == (tmp_path / "a.png", picture.png)

    @pytest.mark.parametrize("name", ["a.jpg", "a.PDF"])
    def test_it_is_saved_under_no_other_kind_of_name(self, picture, tmp_path, name):
        with pytest.raises(InvalidArgumentError, match=r"saved as a PNG picture: name it \*\.png"):
            picture.save(tmp_path / name)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        "png",
        [b"", b"\x89PNG\r\n\x1a\n", make_image("gif"), make_image("png")[:20], b"x" + make_image("png")],
    )
    def test_only_a_png_has_a_size(self, png):
        with pytest.raises(ValueError, match="no PNG"):
            png_size(png)

    def test_a_size_above_the_limit_is_none(self):
        raw = bytearray(make_image("png"))
        assert png_size(bytes(raw)) == (60, 40)
        raw[16:24] = b"\0\0\x40\0" * 2
        with pytest.raises(ValueError, match="16384 x 16384 pixels"):
            png_size(bytes(raw))

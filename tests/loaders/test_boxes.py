"""Where texts stand is known by hand here: each is drawn at a point, in Helvetica of 12 points."""

import io
import os

import pikepdf
import pytest
from lateral.errors import (
    ChangedDocumentError,
    CorruptDocumentError,
    EncryptedDocumentError,
    LimitExceededError,
)
from lateral.loaders import limits
from lateral.loaders.boxes import Stretch, find_boxes
from lateral.loaders.parsing import boxes_of
from lateral.loaders.pdf import read_pdf
from lateral.loaders.worker import ParserPool
from pdfs import changed, make_pdf
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen import canvas

FONT, SIZE = "Helvetica", 12
SIDE = 1.2  # points: a glyph begins and ends up to a tenth of its size within its advance
HIGH, SMALL, LOW = 0.72 * SIZE, 0.54 * SIZE, -0.21 * SIZE  # how far "d", "a" and "p" reach from the line they stand on


def draw(*lines, size=(600, 800), turned=0):
    """A PDF of one page with texts at their points: (x, y, text)."""
    buffer = io.BytesIO()
    drawing = canvas.Canvas(buffer, pagesize=size)
    drawing.setFont(FONT, SIZE)
    for x, y, text in lines:
        drawing.saveState()
        drawing.translate(x, y)
        drawing.rotate(turned)
        drawing.drawString(0, 0, text)
        drawing.restoreState()
    drawing.showPage()
    drawing.save()
    return buffer.getvalue()


@pytest.fixture
def find(tmp_path):
    """Finds the boxes of a text on a page of the PDF."""

    def write_and_find(raw, text, *, page=1, start=0):
        path = tmp_path / "a.pdf"
        path.write_bytes(raw)
        return find_boxes(str(path), "the source", [Stretch(page, text, start)])[0]

    return write_and_find


def assert_box(box, x, y, text, *, low=LOW, high=HIGH):
    left, bottom, right, top = box
    assert left == pytest.approx(x, abs=SIDE)
    assert right == pytest.approx(x + stringWidth(text, FONT, SIZE), abs=SIDE)
    assert bottom == pytest.approx(y + low, abs=0.6)
    assert top == pytest.approx(y + high, abs=0.6)


def test_a_text_has_the_box_of_its_letters(find):
    (box,) = find(draw((72, 700, "Simply pleading")), "Simply pleading")
    assert_box(box, 72, 700, "Simply pleading")


def test_a_part_of_a_line_has_a_part_of_its_box(find):
    (box,) = find(draw((72, 700, "Boil it for one minute")), "for one")
    assert_box(box, 72 + stringWidth("Boil it ", FONT, SIZE), 700, "for one", low=0)


def test_a_text_over_several_lines_has_a_box_a_line(find):
    raw = draw((72, 700, "Boil it for"), (72, 684, "one minute at"), (72, 668, "sea level."))
    one, two, three = find(raw, "it for one minute at sea")
    assert_box(one, 72 + stringWidth("Boil ", FONT, SIZE), 700, "it for", low=0)
    assert_box(two, 72, 684, "one minute at", low=0)
    assert_box(three, 72, 668, "sea", low=0, high=SMALL)


def test_whitespace_does_not_matter(find):
    raw = draw((72, 700, "Boil it for"), (72, 684, "one minute"))
    assert len(find(raw, "Boil  it\tfor\n\n one minute ")) == 2


def test_a_word_broken_at_a_line_end_is_found_as_it_was_read(find):
    one, two = find(make_pdf([["This is an exam-", "ple of it."]]), "an example of")
    assert_box(one, 72 + stringWidth("This is ", FONT, SIZE), 780, "an exam", low=0, high=SMALL)
    assert_box(two, 72, 764, "ple of")


def test_columns_are_read_one_after_the_other(find):
    left = [(72, 700 - 16 * at, f"left {at}") for at in range(3)]
    right = [(320, 700 - 16 * at, f"right {at}") for at in range(3)]
    end, start = find(draw(*left, *right), "left 2 right 0")
    assert_box(end, 72, 668, "left 2", low=0)
    assert_box(start, 320, 700, "right 0")


def test_words_that_are_drawn_one_by_one_have_one_box_together(find):
    (box,) = find(draw((72, 700, "Boil"), (98, 700, "it"), (110, 700, "dead")), "Boil it dead")
    assert box[0] == pytest.approx(72, abs=SIDE)
    assert box[2] == pytest.approx(110 + stringWidth("dead", FONT, SIZE), abs=SIDE)


@pytest.mark.parametrize(("x", "count"), [(114, 1), (320, 2)])
def test_a_line_goes_on_behind_a_raised_number_but_not_in_another_column(find, x, count):
    buffer = io.BytesIO()
    drawing = canvas.Canvas(buffer)
    for left, y, size, text in [(72, 700, 12, "Boil it"), (109, 706, 7, "2"), (x, 700, 12, "dead")]:
        drawing.setFont(FONT, size)
        drawing.drawString(left, y, text)
    drawing.save()
    boxes = find(buffer.getvalue(), "Boil it2 dead")
    assert len(boxes) == count
    assert boxes[0][0] == pytest.approx(72, abs=SIDE)
    assert boxes[-1][2] == pytest.approx(x + stringWidth("dead", FONT, SIZE), abs=SIDE)


class TestSeveralPlaces:
    LINES = ("Boil it.", "Wait   ", "Boil it.", "Wait   ", "Boil it.")

    @pytest.fixture
    def raw(self):
        return make_pdf([self.LINES])

    @pytest.mark.parametrize(("start", "line"), [(0, 0), (4, 0), (9, 2), (14, 2), (18, 2), (28, 4), (9999, 4), (-5, 0)])
    def test_the_nearest_to_the_start_is_meant(self, find, raw, start, line):
        (box,) = find(raw, "Boil it.", start=start)
        assert box[1] == pytest.approx(780 - 16 * line, abs=0.6)

    def test_starts_are_offsets_in_the_page_as_it_was_read(self, find, raw, tmp_path):
        find(raw, "Boil it.")
        text = read_pdf(str(tmp_path / "a.pdf"), "x").sections[0].text
        assert text == "Boil it.\nWait\nBoil it.\nWait\nBoil it."
        starts = [at for at in range(len(text)) if text.startswith("Boil", at)]
        assert [find(raw, "Boil", start=at)[0][1] for at in starts] == pytest.approx([780, 748, 716], abs=0.6)

    def test_blanks_and_line_ends_before_it_do_not_shift_it(self, find, tmp_path):
        raw = make_pdf([["a b c d e f g   "] * 40 + ["no", "no", "no"]])
        find(raw, "no")
        start = read_pdf(str(tmp_path / "a.pdf"), "x").sections[0].text.rindex("no\nno")
        assert find(raw, "no", start=start)[0][1] == pytest.approx(780 - 16 * 41, abs=0.6)


class TestCoordinates:
    def test_a_turned_page_is_measured_before_it_is_turned(self, find):
        raw = draw((72, 300, "Simply pleading"))
        turned = changed(raw, lambda pdf: pdf.pages[0].rotate(90, relative=False))
        assert find(turned, "Simply pleading") == find(raw, "Simply pleading")

    @pytest.mark.parametrize("turned", [90, 270])
    def test_lines_that_run_upwards_have_a_box_each(self, find, turned):
        one, two = find(draw((300, 300, "Boil it"), (316, 300, "dead"), turned=turned), "Boil it dead")
        assert (one[0] + one[2]) / 2 == pytest.approx(300, abs=SIZE / 2)
        assert (two[0] + two[2]) / 2 == pytest.approx(316, abs=SIZE / 2)
        sign = 1 if turned == 90 else -1
        ends = sorted([300, 300 + sign * stringWidth("Boil it", FONT, SIZE)])
        assert (one[1], one[3]) == pytest.approx(ends, abs=SIDE)

    def test_a_crop_box_moves_no_box(self, find):
        def crop(pdf):
            pdf.pages[0].CropBox = pikepdf.Array([50, 50, 550, 750])

        raw = draw((72, 700, "Simply pleading"))
        assert find(changed(raw, crop), "Simply pleading") == find(raw, "Simply pleading")

    def test_what_a_crop_box_hides_is_no_text_of_the_page(self, find):
        def crop(pdf):
            pdf.pages[0].CropBox = pikepdf.Array([50, 50, 550, 750])

        raw = changed(draw((72, 700, "Boil it"), (72, 780, "slug"), (72, 684, "dead")), crop)
        assert find(raw, "slug") == ()
        assert len(find(raw, "Boil it dead")) == 2

    def test_a_media_box_that_starts_elsewhere_moves_the_origin_with_it(self, find):
        def move(pdf):
            pdf.pages[0].MediaBox = pikepdf.Array([50, 50, 600, 800])

        raw = draw((72, 700, "Simply pleading"))
        assert find(changed(raw, move), "Simply pleading") == find(raw, "Simply pleading")


class TestCharacters:
    def test_letters_outside_the_basic_plane_are_found(self, find):
        def rename(pdf):
            for it in pdf.objects:
                if isinstance(it, pikepdf.Dictionary) and it.get("/BaseFont") == "/Helvetica":
                    it.ToUnicode = pdf.make_stream(
                        b"begincmap 1 begincodespacerange <00> <FF> endcodespacerange "
                        b"2 beginbfchar <41> <D835DD38> <62> <0062> endbfchar endcmap"
                    )

        (box,) = find(changed(draw((72, 700, "bAb")), rename), "𝔸b")
        assert_box(box, 72 + stringWidth("b", FONT, SIZE), 700, "Ab", low=0)

    def test_hyphens_inside_a_line_stay(self, find):
        raw = draw((72, 700, "a well-known word"))
        assert len(find(raw, "well-known")) == 1
        assert find(raw, "wellknown") == ()


@pytest.mark.parametrize("text", ["Boil it twice", "boil it", "", " \n"])
def test_a_text_that_is_not_on_the_page_has_no_boxes(find, text):
    assert find(draw((72, 700, "Boil it")), text) == ()


@pytest.mark.parametrize("page", [0, -1, 2])
def test_a_page_that_is_not_there_has_no_boxes(find, page):
    assert find(draw((72, 700, "Boil it")), "Boil it", page=page) == ()


def test_a_page_that_cannot_be_read_has_no_boxes(find):
    def break_second(pdf):
        pdf.Root.Pages.Kids[1] = 5

    raw = changed(make_pdf([["Boil"], ["Boil"], ["Boil"]]), break_second)
    assert [len(find(raw, "Boil", page=page)) for page in (1, 2)] == [1, 0]


def test_a_page_without_a_text_layer_has_no_boxes(find):
    assert find(make_pdf([None]), "Boil") == ()


def test_whole_pages_are_found_line_by_line(find, tmp_path):
    lines = [f"Line {number} of a page." for number in range(40)]
    raw = make_pdf([lines])
    find(raw, "x")
    page = read_pdf(str(tmp_path / "a.pdf"), "x").sections[0].text
    boxes = find(raw, page)
    assert len(boxes) == 40
    for at, (box, line) in enumerate(zip(boxes, lines, strict=True)):
        assert_box(box, 72, 780 - 16 * at, line)


class TestFilesThatCannotBeRead:
    def test_a_password(self, find):
        raw = changed(draw((72, 700, "a")), lambda pdf: None, encryption=pikepdf.Encryption(owner="o", user="u"))
        with pytest.raises(EncryptedDocumentError, match="needs a password") as caught:
            find(raw, "a")
        assert caught.value.source == "the source"

    def test_damage(self, find):
        with pytest.raises(CorruptDocumentError, match="damaged or no PDF"):
            find(b"no pdf at all", "a")

    def test_too_many_bytes(self, tmp_path):
        with (tmp_path / "a.pdf").open("wb") as stream:
            stream.truncate(limits.MAX_FILE_BYTES + 1)
        with pytest.raises(LimitExceededError, match="more than the limit of 50 MB"):
            find_boxes(str(tmp_path / "a.pdf"), "x", [Stretch(1, "a")])


class TestPool:
    @pytest.fixture
    def path(self, tmp_path):
        (tmp_path / "a.pdf").write_bytes(make_pdf([["Boil it for", "one minute."], ["Boil it."]]))
        return str(tmp_path / "a.pdf")

    def test_boxes_come_as_found_here_in_the_order_of_the_stretches(self, path):
        stretches = [Stretch(2, "Boil it."), Stretch(1, "for one"), Stretch(1, "not there"), Stretch(1, "Boil")]
        with ParserPool(1) as pool:
            found = pool.boxes(path, stretches)
            assert found == find_boxes(path, path, stretches)
            assert [len(boxes) for boxes in found] == [1, 2, 0, 1]

    def test_nothing_to_look_for_starts_no_process(self):
        with ParserPool(1) as pool:
            assert pool.boxes("/nowhere.pdf", []) == []
            assert pool._idle == []

    def test_a_vanished_file_is_told(self, path):
        os.remove(path)
        with ParserPool(1) as pool, pytest.raises(ChangedDocumentError, match="can't be opened: No such file"):
            pool.boxes(path, [Stretch(1, "Boil")])

    def test_errors_keep_their_class_and_source(self, path):
        with open(path, "wb") as stream:
            stream.write(b"%PDF-1.7 broken")
        with ParserPool(1) as pool, pytest.raises(CorruptDocumentError, match="damaged or no PDF") as caught:
            pool.boxes(path, [Stretch(1, "Boil")])
        assert caught.value.source == path

    def test_a_file_that_crashes_its_parser_is_named(self, path, pdfium):
        pdfium("import os; os.kill(os.getpid(), 11)")
        with ParserPool(1) as pool, pytest.raises(CorruptDocumentError, match=r"a\.pdf' crashed its parser"):
            pool.boxes(path, [Stretch(1, "Boil")])

    def test_a_hang_ends_at_the_deadline(self, path, pdfium):
        pdfium("import time; time.sleep(60)")
        with (
            ParserPool(1, seconds_a_file=0.2) as pool,
            pytest.raises(LimitExceededError, match=r"took over 0\.2 s and 1 s a page"),
        ):
            pool.boxes(path, [Stretch(1, "Boil")])


class TestAnswers:
    """What a taken-over parser may say."""

    def test_boxes_are_read(self):
        answer = {"boxes": [[[1, 2, 3, 4.5], [5, 6, 7, 8]], []]}
        assert boxes_of(answer, "/a.pdf", 2) == [((1.0, 2.0, 3.0, 4.5), (5.0, 6.0, 7.0, 8.0)), ()]

    @pytest.mark.parametrize(
        "boxes", [None, 3, [], [[], []], [3], [[3]], [[[1, 2, 3]]], [[[1, 2, 3, "x"]]], [[[1, 2, 3, 10**400]]]]
    )
    def test_a_malformed_answer_makes_the_document_corrupt(self, boxes):
        with pytest.raises(CorruptDocumentError, match="malformed answer"):
            boxes_of({"boxes": boxes}, "/a.pdf", 1)

    def test_no_box_is_infinite(self):
        with pytest.raises(CorruptDocumentError, match="malformed answer"):
            boxes_of({"boxes": [[[1, 2, 3, float("nan")]]]}, "/a.pdf", 1)

    def test_an_error_is_raised_with_our_own_source(self):
        with pytest.raises(EncryptedDocumentError, match="locked") as caught:
            boxes_of({"error": "EncryptedDocumentError", "reason": "locked", "page": None}, "/a.pdf", 1)
        assert caught.value.source == "/a.pdf"

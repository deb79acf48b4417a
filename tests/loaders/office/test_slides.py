import pptx
import pytest
from lateral.errors import LimitExceededError
from lateral.loaders.limits import MAX_PAGES
from lateral.loaders.office import read_office
from office_files import make_pptx, replaced, saved
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

BOX = (Inches(1), Inches(1), Inches(3), Inches(2))


@pytest.fixture
def deck():
    return pptx.Presentation()


def slide_of(deck, layout=6):
    return deck.slides.add_slide(deck.slide_layouts[layout])


def read(made, **options):
    return read_office(made if isinstance(made, bytes) else saved(made), "/a.pptx", "pptx", **options)


def texts(made):
    return [section.text for section in read(made).sections]


def test_a_section_a_slide_with_number_label_and_title():
    seen = []
    document = read(make_pptx(["Tea", "Green", "Black"], ["Coffee", "One line."]), on_pages=seen.append)
    assert [(part.text, part.page, part.metadata) for part in document.sections] == [
        ("Tea\n\n- Green\n- Black", 1, {"page_label": "1", "header_path": "Tea"}),
        ("Coffee\n\nOne line.", 2, {"page_label": "2", "header_path": "Coffee"}),
    ]
    assert document.metadata == {"page_count": 2}
    assert document.paged
    assert seen == [2]


def test_labels_begin_where_the_presentation_says():
    raw = replaced(
        make_pptx(["a"], ["b"]), "ppt/presentation.xml", b"<p:presentation ", b'<p:presentation firstSlideNum="7" '
    )
    assert [part.metadata["page_label"] for part in read(raw).sections] == ["7", "8"]


def test_tables_boxes_groups_and_notes(deck):
    slide = slide_of(deck)
    slide.shapes.add_textbox(*BOX).text_frame.text = "First."
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(*BOX).text_frame.text = "In a group.\vSame paragraph."
    table = slide.shapes.add_table(2, 2, *BOX).table
    for cell, words in zip(table.iter_cells(), ["Item", "Price", "Tea", "2"], strict=True):
        cell.text = words
    slide.notes_slide.notes_text_frame.text = "Say hello."
    assert texts(deck) == [
        "First.\n\nIn a group.\nSame paragraph.\n\n| Item | Price |\n| --- | --- |\n| Tea | 2 |\n\nNotes: Say hello."
    ]


def test_slides_without_text_are_told_and_blank_ones_are_not(deck):
    data = CategoryChartData()
    data.categories = ["a"]
    data.add_series("s", [1])
    for _ in range(2):
        slide_of(deck).shapes.add_chart(XL_CHART_TYPE.PIE, *BOX, data)
    slide_of(deck)
    document = read(deck)
    assert [part.text for part in document.sections] == ["", "", ""]
    assert document.warnings[-1] == (
        "slides 1-2 have pictures, charts or diagrams and no text: what they show is not indexed"
    )


def test_footers_and_numbers_are_left_out():
    raw = replaced(
        make_pptx(["Tea", "Confidential"]), "ppt/slides/slide1.xml", b'<p:ph idx="1"/>', b'<p:ph type="ftr" idx="11"/>'
    )
    assert texts(raw) == ["Tea"]


def test_an_empty_presentation_has_no_sections(deck):
    assert texts(deck) == []


def test_too_many_slides(deck):
    slide_of(deck)
    raw = saved(deck)
    entries = b"".join(b'<p:sldId id="%d" r:id="rId7"/>' % number for number in range(300, 301 + MAX_PAGES))
    raw = replaced(raw, "ppt/presentation.xml", b"</p:sldIdLst>", entries + b"</p:sldIdLst>")
    with pytest.raises(LimitExceededError, match=f"{MAX_PAGES + 2} slides, more than the limit of 2000"):
        read(raw)

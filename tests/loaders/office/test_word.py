import docx
import pytest
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls
from docx.oxml.ns import qn as tag
from lateral.loaders.office import read_office
from office_files import make_docx, replaced, rezipped, saved

LONG = "Feed an adult one rat a week, thawed and warmed, and leave it alone for two days after it has eaten."
TEXT_PART = "word/document.xml"


@pytest.fixture
def word():
    made = docx.Document()
    made.core_properties.title = ""
    return made


def read(made):
    return read_office(made if isinstance(made, bytes) else saved(made), "/a.docx", "docx")


def text(made):
    return "".join(section.text for section in read(made).sections)


def add_xml(made, xml):
    made.element.body.insert(0, parse_xml(xml.replace(">", f" {nsdecls('w')}>", 1)))


def test_headings_make_sections_with_their_path(word):
    word.add_heading("Pythons", 1)
    word.add_paragraph(LONG)
    word.add_heading("Care", 2)
    word.add_paragraph(LONG)
    word.add_heading("Boas", 1)
    word.add_paragraph(LONG)
    document = read(word)
    assert [section.metadata for section in document.sections] == [
        {"header_path": "Pythons"},
        {"header_path": "Pythons > Care"},
        {"header_path": "Boas"},
    ]
    assert document.sections[0].text == f"Pythons\n\n{LONG}\n\n"
    whole = "".join(section.text for section in document.sections)
    assert all(whole[s.start_char : s.start_char + len(s.text)] == s.text for s in document.sections)
    assert document.metadata == {"title": "Pythons"}
    assert not document.paged


def test_what_stands_under_a_title_is_a_level_deeper(word):
    word.add_heading("Snakes", 0)
    word.add_paragraph(LONG)
    word.add_heading("Pythons", 1)
    word.add_paragraph(LONG)
    assert [section.metadata["header_path"] for section in read(word).sections] == ["Snakes", "Snakes > Pythons"]


def test_a_style_based_on_a_heading_and_an_outline_level_are_headings(word):
    style = word.styles.add_style("Chapter", 1)
    style.base_style = word.styles["Heading 2"]
    word.add_paragraph("By style", style="Chapter")
    word.add_paragraph(LONG)
    paragraph = word.add_paragraph("By level")
    level = OxmlElement("w:outlineLvl")
    level.set(tag("w:val"), "2")
    paragraph._p.get_or_add_pPr().append(level)
    word.add_paragraph(LONG)
    assert [section.metadata["header_path"] for section in read(word).sections] == ["By style", "By style > By level"]


def test_lists_and_tables_stand_where_they_stand(word):
    word.add_paragraph("Before.")
    word.add_paragraph("One", style="List Bullet")
    word.add_paragraph("Two", style="List Number")
    table = word.add_table(2, 2)
    for cell, words in zip(table._cells, ["Name", "Bar|psi", "A", "4\n5"], strict=True):
        cell.text = words
    word.add_paragraph("After.")
    assert text(word) == ("Before.\n\n- One\n- Two\n\n| Name | Bar\\|psi |\n| --- | --- |\n| A | 4 5 |\n\nAfter.")


def test_merged_cells_are_said_once(word):
    table = word.add_table(3, 2)
    for cell, words in zip(table._cells, "abcdef", strict=True):
        cell.text = words
    table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "tall"
    assert text(word) == "| wide |  |\n| --- | --- |\n| tall | d |\n|  | f |"


def test_a_table_of_one_cell_is_a_box_and_a_table_in_a_cell_is_its_text(word):
    box = word.add_table(1, 1).cell(0, 0)
    box.text = "In the box."
    inner = box.add_table(1, 2)
    inner.cell(0, 0).text = "a"
    inner.cell(0, 1).add_table(1, 1).cell(0, 0).text = "b"
    assert text(word) == "In the box.\n\n| a | b |\n| --- | --- |"


def test_text_in_content_controls_insertions_and_links_is_read_and_deleted_text_is_not(word):
    run = "<w:r><w:t xml:space='preserve'>{}</w:t></w:r>"
    add_xml(
        word,
        f"<w:sdt><w:sdtContent><w:p><w:ins>{run.format('New ')}</w:ins><w:hyperlink>{run.format('link')}</w:hyperlink>"
        f"<w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:r><w:tab/><w:t>a</w:t><w:br/><w:t>b</w:t></w:r>"
        f"<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r></w:p></w:sdtContent></w:sdt>",
    )
    assert text(word) == "New link\ta\nb"


def test_a_table_of_contents_is_left_out(word):
    word.styles.add_style("toc 1", 1)
    word.add_paragraph("Care ....... 3", style="toc 1")
    word.add_paragraph("Care.")
    assert text(word) == "Care."


def test_text_boxes_and_footnotes_stand_behind_their_paragraph():
    reference = b'<w:r><w:footnoteReference w:id="2"/></w:r>'
    box = b"<w:r><w:pict><w:txbxContent><w:p><w:r><w:t>In a text box.</w:t></w:r></w:p></w:txbxContent></w:pict></w:r>"
    notes = (
        f"<w:footnotes {nsdecls('w')}><w:footnote w:type='separator' w:id='0'><w:p/></w:footnote>"
        "<w:footnote w:id='2'><w:p><w:r><w:t>See the annex.</w:t></w:r></w:p></w:footnote></w:footnotes>"
    )
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    relation = f'<Relationship Id="rId99" Type="{kind}" Target="footnotes.xml"/></Relationships>'.encode()
    raw = make_docx("First.", "Second.")
    raw = replaced(raw, TEXT_PART, b"<w:t>First.</w:t></w:r>", b"<w:t>First.</w:t></w:r>" + reference + box)
    raw = replaced(raw, "word/_rels/document.xml.rels", b"</Relationships>", relation)
    raw = rezipped(raw, add=[("word/footnotes.xml", notes.encode())])
    assert text(raw) == "First.\n\nIn a text box.\n\nSee the annex.\n\nSecond."


def test_properties_name_title_and_author_unless_a_program_wrote_them():
    assert read(make_docx("a")).metadata == {}
    made = docx.Document()
    made.core_properties.title, made.core_properties.author = "Care guide", "Ann"
    made.add_heading("Pythons", 1)
    assert read(made).metadata == {"title": "Care guide", "author": "Ann"}


@pytest.mark.parametrize(
    "kind",
    [
        b"ms-word.document.macroEnabled.main+xml",
        b"ms-word.template.macroEnabledTemplate.main+xml",
        b"openxmlformats-officedocument.wordprocessingml.template.main+xml",
    ],
)
def test_templates_are_read(kind):
    plain = b"openxmlformats-officedocument.wordprocessingml.document.main+xml"
    assert text(replaced(make_docx("words"), "[Content_Types].xml", plain, kind)) == "words"


def test_deep_nesting_needs_no_recursion(word):
    inside = "<w:r><w:t>deep</w:t></w:r>"
    for _ in range(200):
        inside = f"<w:ins>{inside}</w:ins>"
    add_xml(word, f"<w:p>{inside}</w:p>")
    assert text(word) == "deep"

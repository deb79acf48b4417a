import pikepdf
import pytest
from bad_files import encrypted_pdf
from lateral.errors import CorruptDocumentError, EncryptedDocumentError, LimitExceededError
from lateral.loaders import limits
from lateral.loaders.pdf import read_pdf
from lateral.loaders.properties import MAX_METADATA_CHARS
from pdfs import changed, make_pdf


@pytest.fixture
def read(tmp_path):
    def write_and_read(raw, **options):
        path = tmp_path / "a.pdf"
        path.write_bytes(raw)
        return read_pdf(str(path), "the source", **options)

    return write_and_read


def test_one_section_a_page(read):
    seen = []
    document = read(make_pdf([["One.  ", "Two."], ["Three."]], title="Pythons", author="Ann"), on_pages=seen.append)
    assert [(part.text, part.page, part.start_char) for part in document.sections] == [
        ("One.\nTwo.", 1, 0),
        ("Three.", 2, 0),
    ]
    assert document.source == "the source"
    assert document.metadata == {"page_count": 2, "title": "Pythons", "author": "Ann"}
    assert document.warnings == ()
    assert document.paged
    assert seen == [2]


def test_page_labels(read):
    def label(pdf):
        roman = pikepdf.Dictionary(S=pikepdf.Name.r)
        pdf.Root.PageLabels = pikepdf.Dictionary(Nums=[0, roman, 2, pikepdf.Dictionary(S=pikepdf.Name.D, St=7)])

    document = read(changed(make_pdf([["a"], ["b"], ["c"]]), label))
    assert [part.metadata["page_label"] for part in document.sections] == ["i", "ii", "7"]


def test_pages_without_labels_have_their_numbers(read):
    assert [part.metadata["page_label"] for part in read(make_pdf([["a"], ["b"]])).sections] == ["1", "2"]


def test_a_word_broken_at_a_line_end_is_joined(read):
    text = read(make_pdf([["This is an exam-", "ple of a well-known word."]])).sections[0].text
    assert text == "This is an example of a well-known word."


def test_pages_without_a_text_layer_are_told_in_one_warning(read):
    document = read(make_pdf([None, None, ["text"], None]))
    assert [part.text for part in document.sections] == ["", "", "text", ""]
    assert document.warnings == ("pages 1-2, 4 have no text layer: run OCR on them first",)


def test_one_page_without_a_text_layer_is_told_in_the_singular(read):
    assert read(make_pdf([["text"], None])).warnings == ("page 2 has no text layer: run OCR on it first",)


def test_a_blank_page_is_no_page_without_a_text_layer(read):
    assert read(make_pdf([["text"], []])).warnings == ()


def test_a_page_that_shows_an_annotation_alone_has_no_text_layer(read):
    def stamp(pdf):
        note = pikepdf.Dictionary(
            Type=pikepdf.Name.Annot,
            Subtype=pikepdf.Name.FreeText,
            Rect=[50, 50, 250, 90],
            Contents="Approved by Ann.",
            DA="/Helv 12 Tf 0 g",
        )
        pdf.pages[1].Annots = pdf.make_indirect([pdf.make_indirect(note)])

    document = read(changed(make_pdf([["text"], []]), stamp))
    assert document.warnings == ("page 2 has no text layer: run OCR on it first",)


@pytest.mark.parametrize(("width", "told"), [(7000, False), (20_000, True), (1_000_000, True)])
def test_a_page_too_large_for_an_image_is_told_and_its_text_read(read, width, told):
    def widen(pdf):
        pdf.pages[1].MediaBox = [0, 0, width, 1000]
        pdf.pages[2].MediaBox = [0, 0, width, 1000]

    document = read(changed(make_pdf([["a"], ["b"], ["c"]]), widen))
    assert [part.text for part in document.sections] == ["a", "b", "c"]
    warning = "pages 2-3 are too large for an image (over 40 megapixels at 150 dpi): only the text of them is read"
    assert document.warnings == ((warning,) if told else ())


@pytest.mark.parametrize("title", ["untitled", "Untitled Document", "Microsoft Word"])
def test_a_title_that_names_nothing_is_left_out(read, title):
    assert read(make_pdf([["a"]], title=title, author="anonymous")).metadata == {"page_count": 1}


def test_a_long_title_is_cut(read):
    assert read(make_pdf([["a"]], title="x" * 999)).metadata["title"] == "x" * MAX_METADATA_CHARS


def test_a_title_loses_the_program_that_wrote_it(read):
    assert read(make_pdf([["a"]], title="Microsoft Word - Care.docx")).metadata["title"] == "Care.docx"


def test_a_password_is_asked_for(read):
    raw = changed(make_pdf([["a"]]), lambda pdf: None, encryption=pikepdf.Encryption(owner="o", user="u"))
    with pytest.raises(EncryptedDocumentError, match="needs a password") as caught:
        read(raw)
    assert caught.value.source == "the source"


def test_a_pdf_without_pages_is_not_taken_for_the_locked_one_before_it(read, tmp_path):
    with pytest.raises(EncryptedDocumentError):
        read(encrypted_pdf())
    with pikepdf.new() as pdf:
        pdf.save(tmp_path / "none.pdf")
    with pytest.raises(CorruptDocumentError, match="can't be opened"):
        read((tmp_path / "none.pdf").read_bytes())


def test_a_pdf_with_an_owner_password_only_is_read(read):
    raw = changed(make_pdf([["a"]]), lambda pdf: None, encryption=pikepdf.Encryption(owner="o", user=""))
    assert read(raw).sections[0].text == "a"


@pytest.mark.parametrize("raw", [b"", b"%PDF-1.7\n", b"no pdf at all", b"%PDF-1.7\n" + b"\0" * 5000])
def test_a_broken_file_is_corrupt(read, raw):
    with pytest.raises(CorruptDocumentError, match="damaged or no PDF"):
        read(raw)


def test_a_broken_page_is_told_and_the_others_read(read):
    def break_second(pdf):
        pdf.Root.Pages.Kids[1] = 5

    document = read(changed(make_pdf([["a"], ["b"], ["c"]]), break_second))
    assert [(part.text, part.page) for part in document.sections] == [("a", 1), ("", 2)]
    assert document.warnings == ("page 2 can't be read (Failed to load page.): its text is missing",)


def test_too_many_pages(read):
    def multiply(pdf):
        for _ in range(limits.MAX_PAGES):
            pdf.pages.append(pdf.pages[0])

    with pytest.raises(LimitExceededError, match=f"{limits.MAX_PAGES + 1} pages, more than the limit of 2000"):
        read(changed(make_pdf([["a"]]), multiply))


def test_too_many_bytes(read, tmp_path):
    path = tmp_path / "big.pdf"
    with path.open("wb") as stream:
        stream.truncate(limits.MAX_FILE_BYTES + 1)
    with pytest.raises(LimitExceededError, match=r"50\.0 MB, more than the limit of 50 MB"):
        read_pdf(str(path), "x")

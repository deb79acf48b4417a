"""Bad files, each made on the spot: what a folder of a stranger may hold."""

import io
import os
import zipfile
import zlib

import pikepdf
from images import make_image, noise, png_of_parts, saved, tiff_of_tags
from office_files import make_docx, make_pptx, make_xlsx, replaced, rezipped, with_lying_header
from pdfs import changed, make_pdf

BOMB_BYTES = 200 * 2**20
DOCTYPE = b'<!DOCTYPE w:document [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
TEXT_PART = "word/document.xml"
GOOD = "Green tea is brewed at 80 degrees."


def encrypted_pdf():
    return changed(make_pdf([[GOOD]]), lambda pdf: None, encryption=pikepdf.Encryption(owner="o", user="u"))


def truncated_pdf():
    """The first half of a PDF: its table of objects is gone, and so is the page."""
    return make_pdf([[GOOD]] * 30)[:600]


def pdf_with_xref_loop():
    """A PDF whose table of objects says that the one before it is itself."""
    raw = make_pdf([[GOOD]])
    at = raw.rindex(b"startxref")
    start = int(raw[at:].split()[1])
    return raw[: raw.rindex(b">>")] + b"/Prev %d >>\n" % start + raw[at:]


def pdf_with_page(operators, count, *, layers=1):
    """A PDF whose second page is the operators so many times, deflated once or again and again."""
    block = operators * 10_000
    packer = zlib.compressobj(9)
    packed = b"".join([*(packer.compress(block) for _ in range(count // 10_000)), packer.flush()])
    for _ in range(layers - 1):
        packed = zlib.compress(packed, 9)

    def put(pdf):
        stream = pikepdf.Stream(pdf, b"")
        stream.write(packed, filter=[pikepdf.Name.FlateDecode] * layers)
        pdf.pages[1].Contents = stream

    return changed(make_pdf([[GOOD], ["bomb"]]), put, compress_streams=False)


def flate_bomb():
    """A PDF of 3 kB with a page that unpacks to 280 MB of lines, and those to gigabytes in memory."""
    return pdf_with_page(b"0 0 m 9 9 l S ", 20_000_000, layers=2)


def crowded_page():
    """A PDF with a page of a million lines."""
    return pdf_with_page(b"0 0 m 9 9 l S ", 1_000_000)


def huge_page():
    """A PDF with a page of 353 metres by 353 metres."""

    def widen(pdf):
        pdf.pages[1].MediaBox = [0, 0, 1_000_000, 1_000_000]

    return changed(make_pdf([[GOOD], ["Far away."]]), widen)


def pdf_of_many_objects(count=1_000_000):
    """A PDF with a million objects that nothing uses."""
    lines = [b"%PDF-1.4\n"]
    places, length = [], len(lines[0])
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>"
    first = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 1/Kids[3 0 R]>>", page]
    for number in range(1, count + 1):
        body = first[number - 1] if number <= len(first) else b"0"
        line = b"%d 0 obj\n%b\nendobj\n" % (number, body)
        places.append(length)
        length += len(line)
        lines.append(line)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    lines.append(b"xref\n0 %d\n0000000000 65535 f \n%b" % (count + 1, table))
    lines.append(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (count + 1, length))
    return b"".join(lines)


def bomb_image():
    """A PNG of 1 kB whose header says 50,000 x 50,000 pixels."""
    return png_of_parts(50_000, 50_000, zlib.compress(b"\0" * 100_000))


def lying_image():
    """A TIFF whose pixels are said to lie behind the file's end."""
    tags = ((256, 100), (257, 100), (258, 8), (259, 1), (262, 1), (273, 4_000_000_000), (278, 100), (279, 10_000))
    return tiff_of_tags(*tags)


def encrypted_office():
    """The container that Office puts an encrypted document in, with the names of its streams."""
    names = "".join(name.ljust(32, "\0") for name in ("Root Entry", "EncryptionInfo", "EncryptedPackage"))
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\0") + names.encode("utf-16-le").ljust(1024, b"\0")


def old_office():
    """The container that Word wrote before 2007."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\0") + "WordDocument".encode("utf-16-le").ljust(512, b"\0")


def zip_bomb():
    """A Word document that inflates to a thousand times its size."""
    return rezipped(make_docx(GOOD), add=[("word/media/image1.bmp", b"\0" * BOMB_BYTES)])


def nested_zip():
    """A Word document with an archive in it."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", b"\0" * 2**20)
    return rezipped(make_docx(GOOD), add=[("word/embeddings/inner.zip", inner.getvalue())])


def lying_zip():
    """A Word document whose text is longer than the archive says."""
    return with_lying_header(make_docx(GOOD, *["A long letter."] * 50), TEXT_PART, 1000)


def xml_entities():
    """A Word document that defines entities."""
    return replaced(make_docx(GOOD), TEXT_PART, b"<w:document", DOCTYPE + b"<w:document")


def climbing_zip():
    """A Word document with a part that would be unpacked elsewhere."""
    return rezipped(make_docx(GOOD), add=[("word/../../evil.xml", b"<x/>")])


def macro_file():
    """A Word document with macros."""
    types = ("[Content_Types].xml", b"openxmlformats-officedocument.wordprocessingml.document.main+xml")
    plain = rezipped(make_docx(GOOD), add=[("word/vbaProject.bin", b"\xd0\xcf\x11\xe0macros")])
    return replaced(plain, *types, b"ms-word.document.macroEnabled.main+xml")


def long_line():
    """A line of 10 MB."""
    return b"Green tea is brewed hot. " * (10_000_000 // 25)


def write_bad_folder(folder):
    """Fills a folder with every bad file that is just bytes, and one good file of each kind.

    Returns:
        For each bad file the error that it must be reported with, or None where it is read with a warning or as it is.
    """
    made = {
        "empty.txt": (b"", "EmptyDocumentError"),
        "blank.md": (b" \n\t\n", "EmptyDocumentError"),
        "a-pdf.txt": (make_pdf([["A PDF by content."]]), None),
        "a-document.xlsx": (make_docx("A Word document by content."), None),
        "locked.pdf": (encrypted_pdf(), "EncryptedDocumentError"),
        "locked.docx": (encrypted_office(), "EncryptedDocumentError"),
        "locked.xlsx": (encrypted_office(), "EncryptedDocumentError"),
        "old.doc": (old_office(), "UnsupportedFormatError"),
        "old.docx": (old_office(), "UnsupportedFormatError"),
        "cut.pdf": (truncated_pdf(), "CorruptDocumentError"),
        "cut.docx": (make_docx(GOOD)[:5000], "CorruptDocumentError"),
        "cut.pptx": (make_pptx(["Tea", GOOD])[:5000], "CorruptDocumentError"),
        "cut.xlsx": (make_xlsx(Tea=[[GOOD]])[:3000], "CorruptDocumentError"),
        "archive.docx": (rezipped(make_docx(), drop=("[Content_Types].xml",)), "CorruptDocumentError"),
        "loop.pdf": (pdf_with_xref_loop(), None),
        "huge-page.pdf": (huge_page(), None),
        "bomb.docx": (zip_bomb(), "UnsafeDocumentError"),
        "nested.docx": (nested_zip(), None),
        "lying.docx": (lying_zip(), "UnsafeDocumentError"),
        "entities.docx": (xml_entities(), "UnsafeDocumentError"),
        "climbing.docx": (climbing_zip(), "UnsafeDocumentError"),
        "macros.docm": (macro_file(), None),
        "empty.png": (b"", "EmptyDocumentError"),
        "a-photo.txt": (make_image("png"), None),
        "a-text.png": (b"version https://git-lfs.github.com/spec/v1", "CorruptDocumentError"),
        "cut.png": (saved(noise(), "png")[:1000], "CorruptDocumentError"),
        "cut.jpg": (saved(noise(), "jpeg")[:1000], "CorruptDocumentError"),
        "cut.webp": (saved(noise(), "webp")[:1000], "CorruptDocumentError"),
        "bomb.png": (bomb_image(), "LimitExceededError"),
        "lying.tif": (lying_image(), "CorruptDocumentError"),
        "bad-utf-8.txt": ("Grüner Tee. ".encode() * 20 + b"\xff tea", None),
        "nul-bytes.md": (b"Tea\0 with a NUL.", "skipped"),
        "nul.txt": ("Tea\0 with a NUL.".encode("utf-16"), None),
        "surrogates.txt": (b"\xff\xfe" + "Tea \ud800 alone.".encode("utf-16-le", "surrogatepass"), None),
        "bidi-and-tags.txt": ("Tea \u202eevil\u202c \U000e0041\U000e007f is hot.".encode(), None),
    }
    for name, (raw, _) in made.items():
        (folder / name).write_bytes(raw)
    write_odd_entries(folder)
    expected = {name: error for name, (_, error) in made.items()}
    links = {"out.txt": "UnsafePathError", "zero.txt": "UnsafePathError", "broken-link.txt": "FileNotFoundError"}
    return {**expected, **links}


def write_odd_entries(folder):
    """Adds what is no regular file, what leads elsewhere, and what nobody reads."""
    outside = folder.parent / "outside.txt"
    outside.write_text("secret")
    (folder / "out.txt").symlink_to(outside)
    (folder / "broken-link.txt").symlink_to(folder.parent / "nowhere.txt")
    (folder / "zero.txt").symlink_to("/dev/zero")
    (folder / "loop").mkdir()
    (folder / "loop" / "up").symlink_to("..")
    os.mkfifo(folder / "pipe.txt")
    (folder / "drawing.svg").write_bytes(b"<svg></svg>")
    (folder / "unknown.bin").write_bytes(bytes(range(256)) * 4)
    (folder / "good.txt").write_text(GOOD)
    (folder / "good-too.txt").write_text(GOOD)
    (folder / "good.docx").write_bytes(make_docx(GOOD))

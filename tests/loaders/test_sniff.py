import codecs
import time

import pytest
from lateral.loaders.sniff import CONTROL_SHARE, HEAD_BYTES, PDF_MARK_BYTES, old_office, sniff, unread_format


@pytest.mark.parametrize(
    ("head", "suffix", "expected"),
    [
        (b"%PDF-1.7\n", ".pdf", "pdf"),
        (b"%PDF-1.7\n", ".txt", "pdf"),
        (b"\n\n%PDF-1.7\n", "", "pdf"),
        (b"junk\0%PDF-1.7", ".bin", "pdf"),
        (b"junk %PDF-1.7", ".pdf", "pdf"),
        (b"broken", ".pdf", "pdf"),
        (b"A PDF begins with %PDF-1.7.", ".md", "markdown"),
        (b"A PDF begins with %PDF-1.7.", ".txt", "text"),
        (b"<!DOCTYPE html><p>", ".txt", "html"),
        (b"<!doctype html><p>not found", ".pdf", "html"),
        (b"\xef\xbb\xbf <HTML lang=en>", "", "html"),
        (b"<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE html PUBLIC", ".xml", "html"),
        (b"<!-- x --><!-- <html> \n -->\n\n<!---->  <html>", ".txt", "html"),
        (b"<!-- x --><!-- <html> -->words", ".txt", "text"),
        (b"<!-- never closed <html>", ".txt", "text"),
        ("<!DOCTYPE html><p>".encode("utf-16"), "", "html"),
        (b"<p>Hello", ".html", "html"),
        (b"Hello", ".HTM", "html"),
        (b"<div>Hello", "", "html"),
        (b"<div align=center>\n\n# Title", ".md", "markdown"),
        (b"<div>Hello", ".txt", "text"),
        (b"# Title", ".markdown", "markdown"),
        (b"# Title", ".txt", "text"),
        (b"a,b\n1,2", ".csv", "text"),
        (b'{"a": 1}', ".json", "text"),
        (b"def f(): ...", ".py", "text"),
        (b"words", "", "text"),
        (b"words", ".unknown", "text"),
        (b"", ".txt", "text"),
        (b"ID3 tags are small", ".txt", "text"),
        (b"\x1b[31mred\x1b[0m", ".log", "text"),
        ("Größe".encode("latin-1"), ".txt", "text"),
        ("naïve".encode("utf-16"), ".txt", "text"),
        (codecs.BOM_UTF32_LE + "naïve".encode("utf-32-le"), "", "text"),
        (b"PK\x03\x04rest", ".txt", None),
        (b"PK\x03\x04rest", ".docx", "docx"),
        (b"PK\x03\x04rest", ".PPTM", "pptx"),
        (b"PK\x05\x06rest", ".xltx", "xlsx"),
        (b"\xd0\xcf\x11\xe0", ".docx", "docx"),
        (b"\xd0\xcf\x11\xe0", ".doc", None),
        (b"\0\1\2\3", ".xlsx", "xlsx"),
        (b"{\\rtf1", ".docx", None),
        (b"<html><p>exported", ".xlsx", "html"),
        (b"words", ".docx", "text"),
        (b"\x89PNG\r\n\x1a\n", ".md", "png"),
        (b"\x89PNG\r\n\x1a\n", ".pdf", "png"),
        (b"\x89PNG\r\n\x1a\n", ".docx", "png"),
        (b"\x89PNG\r\n\x1a\n", ".svg", "png"),
        (b"\xff\xd8\xff\xe0", "", "jpeg"),
        (b"GIF89a\1\0\1\0", ".txt", "gif"),
        (b"GIF89a is a format of images", ".txt", "text"),
        (b"RIFF\1\2\3\4WEBPVP8 ", "", "webp"),
        (b"RIFF\1\2\3\4WAVE\0", "", None),
        (b"II*\0\x08\0\0\0", ".txt", "tiff"),
        (b"MM\0*\0\0\0\x08", "", "tiff"),
        (b"II+\0\x08\0\0\0", "", "tiff"),
        (b"II*\0\x08\0\0\0", ".NEF", None),
        (b"BM" + bytes(12) + b"\x28\0\0\0", ".txt", "bmp"),
        (b"BM" + bytes(12) + b"\x29\0\0\0", "", None),
        (b"BMW is a car, and no image of 40", ".txt", "text"),
        (b"broken", ".png", "png"),
        (b"\0broken", ".JPG", "jpeg"),
        (b"broken", ".jpeg", "jpeg"),
        (b"broken", ".tif", "tiff"),
        (b"broken", ".webp", "webp"),
        (b"broken", ".gif", "gif"),
        (b"broken", ".bmp", "bmp"),
        (b"<html><p>not found", ".png", "html"),
        (b"%PDF-1.7\n", ".png", "pdf"),
        (b"PK\x03\x04rest", ".png", None),
        (b"....ftypheic\0", ".heic", None),
        (b"\x7fELF\x02", "", None),
        (b"\x1f\x8b\x08", ".gz", None),
        (b"SQLite format 3\0", ".db", None),
        (b"{\\rtf1", ".txt", None),
        (b"text\0text", ".txt", None),
        (bytes(range(1, 9)) * 100, "", None),
        (b"<svg>", ".svg", None),
        (b"{}", ".ipynb", None),
    ],
)
def test_format(head, suffix, expected):
    assert sniff(head, suffix) == expected


@pytest.mark.parametrize(
    ("head", "suffix", "expected"),
    [
        (b"PK\x03\x04", ".odt", "an OpenDocument text"),
        (b"PK\x03\x04", ".zip", "a ZIP archive"),
        (b"ID3\x04\0", ".mp3", "an MP3 recording"),
        (b"II*\0", ".cr2", "a camera's raw image"),
        (b"\0", ".HEIC", "a HEIC or AVIF image"),
        (b"<svg>", ".svg", "an SVG image"),
        (b"\0\0", ".BIN", "a binary file (.bin)"),
        (b"\0\0", "", "a binary file"),
    ],
)
def test_unread_formats_have_names(head, suffix, expected):
    assert unread_format(head, suffix) == expected


@pytest.mark.parametrize("unit", [b"<!-- a -->\n", b"<!---->", b"<!--", b"<?xml>", b"\n "])
def test_a_head_of_nothing_but_comments_takes_no_time(unit):
    begun = time.perf_counter()
    assert sniff((unit * HEAD_BYTES)[:HEAD_BYTES] + b"# Title", ".md") == "markdown"
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize(
    ("parts", "suffix", "expected"),
    [
        (["[Content_Types].xml", "word/document2.xml"], ".zip", "docx"),
        (["xl/workbook.xml", "[Content_Types].xml"], ".docx", "xlsx"),
        (["[Content_Types].xml", "ppt/presentation.xml", "ppt/embeddings/word/a"], "", "pptx"),
        (["word/document.xml"], ".zip", None),
        (["[Content_Types].xml"], "", None),
        (["mimetype", "content.xml"], ".docx", "docx"),
        (["[Content_Types].xml", "xl/workbook.bin"], ".xlsb", None),
    ],
)
def test_an_archive_is_what_its_parts_say(parts, suffix, expected):
    assert sniff(b"PK\x03\x04", suffix, parts=parts) == expected


@pytest.mark.parametrize(
    ("head", "suffix", "expected"),
    [
        (b"\xd0\xcf\x11\xe0", ".doc", "a Word document of before 2007: open it and save it as .docx"),
        (b"\xd0\xcf\x11\xe0", ".XLS", "an Excel workbook of before 2007: open it and save it as .xlsx"),
        (b"PK\x03\x04", ".xlsb", "a binary Excel workbook: open it and save it as .xlsx"),
        (b"\xd0\xcf\x11\xe0", ".msg", None),
        (b"words", ".doc", None),
    ],
)
def test_office_files_that_nobody_reads_come_with_advice(head, suffix, expected):
    assert old_office(head, suffix) == expected


def test_a_pdf_mark_far_from_the_beginning_is_none():
    assert sniff(b"x" * (PDF_MARK_BYTES - 5) + b"%PDF-\0", "") == "pdf"
    assert sniff(b"x" * (PDF_MARK_BYTES - 4) + b"%PDF-\0", "") is None


def test_a_few_control_characters_are_still_text():
    few = int(CONTROL_SHARE * 1000)
    assert sniff(b"x" * (1000 - few) + b"\x01" * few, "") == "text"
    assert sniff(b"x" * (999 - few) + b"\x01" * (few + 1), "") is None

import codecs
import time

import pytest
from lateral.loaders.sniff import CONTROL_SHARE, HEAD_BYTES, PDF_MARK_BYTES, sniff, unread_format


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
        (b"\x89PNG\r\n\x1a\n", ".md", None),
        (b"\xff\xd8\xff\xe0", "", None),
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
        (b"PK\x03\x04", ".docx", "a Word document"),
        (b"PK\x03\x04", ".zip", "a ZIP archive"),
        (b"ID3\x04\0", ".mp3", "an MP3 recording"),
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


def test_a_pdf_mark_far_from_the_beginning_is_none():
    assert sniff(b"x" * (PDF_MARK_BYTES - 5) + b"%PDF-\0", "") == "pdf"
    assert sniff(b"x" * (PDF_MARK_BYTES - 4) + b"%PDF-\0", "") is None


def test_a_few_control_characters_are_still_text():
    few = int(CONTROL_SHARE * 1000)
    assert sniff(b"x" * (1000 - few) + b"\x01" * few, "") == "text"
    assert sniff(b"x" * (999 - few) + b"\x01" * (few + 1), "") is None

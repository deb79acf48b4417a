import codecs

import pytest
from lateral.loaders.sniff import sniff, unread_format


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

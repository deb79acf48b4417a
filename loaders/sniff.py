"""Which format a file has: by its content first, then by its name."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection
from typing import Literal, TypeAlias, get_args

__all__ = ["HEAD_BYTES", "IMAGE_FORMATS", "Format", "ImageFormat", "old_office", "sniff", "unread_format"]

ImageFormat: TypeAlias = Literal["png", "jpeg", "webp", "gif", "tiff", "bmp"]
Format: TypeAlias = Literal["text", "markdown", "html", "pdf", "docx", "pptx", "xlsx"] | ImageFormat

IMAGE_FORMATS: frozenset[str] = frozenset(get_args(ImageFormat))

HEAD_BYTES = 8192  # what `sniff` wants to see
PDF_MARK_BYTES = 1024  # where readers look for "%PDF-"
CONTROL_SHARE = 0.05  # text has hardly any control characters

_MARKDOWN = frozenset({".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd"})
_HTML = frozenset({".html", ".htm", ".xhtml"})
_OFFICE: dict[str, Format] = {
    **dict.fromkeys((".docx", ".docm", ".dotx", ".dotm"), "docx"),
    **dict.fromkeys((".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm"), "pptx"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xltx", ".xltm"), "xlsx"),
}
_IMAGES: dict[str, Format] = {
    **dict.fromkeys((".png", ".apng"), "png"),
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "jpeg"),
    ".webp": "webp",
    ".gif": "gif",
    **dict.fromkeys((".tif", ".tiff"), "tiff"),
    **dict.fromkeys((".bmp", ".dib"), "bmp"),
}
# First bytes of images that no text has. TIFF comes in two byte orders, and each with short or long offsets.
_IMAGE_MARKS: tuple[tuple[bytes, Format], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    *((mark, "tiff") for mark in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)
_GIF_MARKS = (b"GIF87a", b"GIF89a")
_BMP_MARK = b"BM"
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # the sizes that the header behind the first 14 bytes may have
# Where an Office file keeps its parts, beside the list of their types.
_OFFICE_FOLDERS: dict[str, Format] = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx"}
_OFFICE_TYPES = "[Content_Types].xml"
_BINARY_BOOK = "xl/workbook.bin"
_ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
# What Office wrote before 2007, what else it writes that no library here reads, and what to save it as.
_OLD_OFFICE = {
    **dict.fromkeys((".doc", ".dot"), ("a Word document of before 2007", ".docx")),
    **dict.fromkeys((".ppt", ".pps", ".pot"), ("a PowerPoint presentation of before 2007", ".pptx")),
    **dict.fromkeys((".xls", ".xlt"), ("an Excel workbook of before 2007", ".xlsx")),
    ".xlsb": ("a binary Excel workbook", ".xlsx"),
}
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
# Nothing of it is tried twice: with many comments and no <html> behind them, that would take exponential time.
_HTML_START = re.compile(
    rb"\s*+(?:<\?xml[^>]*+>\s*+)?+(?:(?><!--.*?-->)\s*+)*+(?:<!doctype\s+html|<html[\s>])", re.IGNORECASE | re.DOTALL
)
_HTML_HINT = re.compile(rb"\s*<(?:head|body|title|meta|div|table|h1|p)[\s>]", re.IGNORECASE)
_OLE_MARK = b"\xd0\xcf\x11\xe0"
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
# First bytes of formats that may pass for text, or may not, and are none either way.
_MAGIC = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x7fELF", "a program"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (_OLE_MARK, "an old Office document"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript document"),
)
# First bytes that a text may have too; with binary content behind them they give a name.
_NAMES = (
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"MZ", "a program"),
    (b"BZh", "a bzip2 archive"),
    (b"7z", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"PAR1", "a Parquet table"),
    (b"ID3", "an MP3 recording"),
    (b"OggS", "an Ogg recording"),
    (b"RIFF", "a sound or a film"),
)
# Text to a computer, but not to a reader; and containers that only their name tells apart.
_UNREAD_SUFFIXES = {
    ".svg": "an SVG image",
    **dict.fromkeys((".heic", ".heif", ".avif"), "a HEIC or AVIF image"),
    **dict.fromkeys((".dng", ".nef", ".cr2", ".arw", ".pef"), "a camera's raw image"),
    ".ipynb": "a Jupyter notebook",
    ".odt": "an OpenDocument text",
    ".epub": "an EPUB book",
    ".jar": "a Java archive",
    ".whl": "a Python wheel",
}


def sniff(head: bytes, suffix: str, *, parts: Collection[str] = ()) -> Format | None:
    """Returns the format to read a file as, or None for one that no loader reads.

    Content decides before the name does: a PDF called ".txt" is a PDF. Text with an unknown suffix, or none, is text,
    and so are source code, CSV and JSON. A damaged PDF, Office file or image has its name's format, to be reported by
    name.

    Args:
        head: The file's first bytes, 8,192 or all.
        suffix: The name's last suffix with its dot, such as ".md".
        parts: Where the file is a ZIP archive, the names of its members.
    """
    suffix = suffix.lower()
    if (image := _image(head, suffix)) is not None:
        return image
    if _is_pdf(head, suffix):
        return "pdf"
    if (office := _office(head, suffix, parts)) is not None:
        return office
    if suffix in _UNREAD_SUFFIXES or head.startswith(tuple(mark for mark, _ in _MAGIC)):
        return None
    shown = _narrow(head)
    if suffix in _IMAGES and not _HTML_START.match(shown):
        return _IMAGES[suffix]  # a damaged one, to be reported by name
    if _is_binary(head):
        return None
    if _HTML_START.match(shown):
        return "html"
    if suffix in _HTML:
        return "html"
    if suffix in _MARKDOWN:
        return "markdown"
    return "html" if not suffix and _HTML_HINT.match(shown) else "text"


def unread_format(head: bytes, suffix: str) -> str:
    """Returns what a file that no loader reads seems to be, such as "a ZIP archive".

    Args:
        head: The file's first bytes.
        suffix: The name's last suffix with its dot.
    """
    named = _UNREAD_SUFFIXES.get(suffix.lower()) or _named(head)
    return named or (f"a binary file ({suffix.lower()})" if suffix else "a binary file")


def old_office(head: bytes, suffix: str) -> str | None:
    """Returns what an Office file that no loader reads is and what to do with it, or None for another file.

    Args:
        head: The file's first bytes.
        suffix: The name's last suffix with its dot.
    """
    if suffix.lower() not in _OLD_OFFICE or not head.startswith((*_ZIP_MARKS, _OLE_MARK)):
        return None
    name, better = _OLD_OFFICE[suffix.lower()]
    return f"{name}: open it and save it as {better}"


def _office(head: bytes, suffix: str, parts: Collection[str]) -> Format | None:
    by_name = _OFFICE.get(suffix)
    if head.startswith(_ZIP_MARKS):
        if _BINARY_BOOK in parts:
            return None
        found = (kind for folder, kind in _OFFICE_FOLDERS.items() if any(part.startswith(folder) for part in parts))
        return next(found, by_name) if _OFFICE_TYPES in parts else by_name
    known = head.startswith(tuple(mark for mark, _ in _MAGIC if mark != _OLE_MARK))
    return by_name if _is_binary(head) and not known else None


def _image(head: bytes, suffix: str) -> Format | None:
    for mark, kind in _IMAGE_MARKS:
        if head.startswith(mark):
            return None if kind == "tiff" and suffix in _UNREAD_SUFFIXES else kind  # such as a camera's raw image
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(_GIF_MARKS) and _is_binary(head):
        return "gif"
    return "bmp" if head.startswith(_BMP_MARK) and int.from_bytes(head[14:18], "little") in _BMP_HEADERS else None


def _is_pdf(head: bytes, suffix: str) -> bool:
    at = head[:PDF_MARK_BYTES].find(b"%PDF-")
    if at < 0:
        return suffix == ".pdf" and not _HTML_START.match(head)  # a damaged one, to be reported by name
    # A text about PDF may hold the mark too; one that begins with it, or has binary content, is no text.
    return not head[:at].strip(b"\xef\xbb\xbf\r\n\t \x00") or suffix == ".pdf" or _is_binary(head)


def _is_binary(head: bytes) -> bool:
    if head.startswith(_WIDE_MARKS):
        return False
    if b"\0" in head:
        return True
    return len(head) - len(head.translate(None, _CONTROLS)) > CONTROL_SHARE * len(head)


def _named(head: bytes) -> str | None:
    return next((name for mark, name in (*_MAGIC, *_NAMES) if head.startswith(mark)), None)


def _narrow(head: bytes) -> bytes:
    """Returns UTF-16 and UTF-32 heads as single bytes, others without their mark."""
    return head.replace(b"\0", b"")[2:] if head.startswith(_WIDE_MARKS) else head.removeprefix(codecs.BOM_UTF8)

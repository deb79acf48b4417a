"""From the bytes of an Office file to its document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias
from zipfile import ZipFile

from ...errors import CorruptDocumentError, MissingExtraError, UnsupportedFormatError
from ..document import Document
from .container import check_no_container
from .package import CONTENT_TYPES, Package, checked_package
from .sheets import read_sheets
from .slides import read_slides
from .word import read_word

__all__ = ["OfficeFormat", "read_office"]

OfficeFormat: TypeAlias = Literal["docx", "pptx", "xlsx"]

_FOLDERS = {"docx": "word/", "pptx": "ppt/", "xlsx": "xl/"}
_NAMES = {"docx": "Word document", "pptx": "PowerPoint presentation", "xlsx": "Excel workbook"}
_STRICT = b"http://purl.oclc.org/ooxml/"
_ROOT = "_rels/.rels"


def read_office(
    raw: bytes, source: str, kind: OfficeFormat, *, on_pages: Callable[[int], None] | None = None
) -> Document:
    """Returns an Office file's document. Its archive is checked before a library sees it.

    Args:
        raw: The whole file.
        source: Its absolute path.
        kind: What it is.
        on_pages: Called with the number of slides before they are read, where there are any.

    Raises:
        EncryptedDocumentError: It needs a password.
        UnsafeDocumentError: Its archive or its XML is made to do harm.
        UnsupportedFormatError: It is of an old Office, or the extra `office` is not installed.
        CorruptDocumentError: It is no Office file, or a damaged one.
        LimitExceededError: It is too large.
    """
    check_no_container(raw, source)
    package = checked_package(raw, source)
    _check_kind(package, kind, source)
    try:
        if kind == "docx":
            return read_word(package, source)
        if kind == "pptx":
            return read_slides(package, source, on_pages=on_pages)
        return read_sheets(package, source)
    except MissingExtraError as err:
        raise UnsupportedFormatError(f"the file is a {_NAMES[kind]}: {err}", source=source) from err


def _check_kind(package: Package, kind: OfficeFormat, source: str) -> None:
    if CONTENT_TYPES not in package.names or not any(name.startswith(_FOLDERS[kind]) for name in package.names):
        raise CorruptDocumentError(
            f"the file is a ZIP archive without the parts of a {_NAMES[kind]}: give it its right suffix",
            source=source,
        )
    with ZipFile(package.stream) as archive:
        if _ROOT in package.names and _STRICT in archive.read(_ROOT):
            raise UnsupportedFormatError(
                f'the file is a {_NAMES[kind]} of the "Strict Open XML" kind: save it as the ordinary .{kind}',
                source=source,
            )
    package.stream.seek(0)

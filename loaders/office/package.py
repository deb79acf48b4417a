"""The archive that an Office file is, checked before any library sees it.

What the libraries get is a new archive with the checked XML parts, stored as they are, and every other part emptied: no
picture, no macro, no embedded file, and nothing that two readers of one archive could see differently.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ...errors import CorruptDocumentError, EncryptedDocumentError, LimitExceededError, UnsafeDocumentError
from ..limits import MAX_INFLATED_BYTES, MAX_INFLATION, MAX_MEMBERS, SMALL_INFLATED_BYTES

__all__ = ["CONTENT_TYPES", "Package", "checked_package"]

CONTENT_TYPES = "[Content_Types].xml"
CHUNK_BYTES = 1 << 20
ENCRYPTED_FLAG = 0x1
SHOWN_NAMES = 3
SHOWN_CHARS = 80
_XML = (".xml", ".rels")
_ENCODINGS = frozenset(
    {"utf-8", "utf-16", "us-ascii", "iso-8859-1", "windows-1252"}
)  # of which all parsers think alike
_MACROS = ("/vbaproject.bin", "/macrosheets/")
_EMBEDDED = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
# Templates, slide shows and files with macros are read as the plain documents that they are besides.
_WORD_TYPE = re.compile(
    rb"application/vnd\.(?:ms-word|openxmlformats-officedocument\.wordprocessingml)"
    rb"\.(?:document|template)(?:\.macroEnabled(?:Template)?)?\.main\+xml"
)
_SLIDES_TYPE = re.compile(
    rb"application/vnd\.(?:ms-powerpoint|openxmlformats-officedocument\.presentationml)"
    rb"\.(?:presentation|template|slideshow)(?:\.macroEnabled)?\.main\+xml"
)
_WORD = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_SLIDES = b"application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"


@dataclass(frozen=True, slots=True)
class Package:
    """The checked parts of an Office file.

    Args:
        stream: An archive that holds them.
        names: What they are called.
        warnings: What of the file is not read, in words for the user.
    """

    stream: BytesIO
    names: frozenset[str]
    warnings: tuple[str, ...] = ()


def checked_package(raw: bytes, source: str) -> Package:
    """Returns the file's parts in an archive that is safe to open. Nothing that an archive's headers say is believed.

    Args:
        raw: The whole file.
        source: Its absolute path.

    Raises:
        UnsafeDocumentError: A name leads out of the archive or stands twice, a header lies, an XML part defines
            entities, or the archive inflates like a bomb.
        LimitExceededError: It has too many parts, or more inflated bytes than `MAX_INFLATED_BYTES`.
        EncryptedDocumentError: A part needs a password.
        CorruptDocumentError: It is no archive, it is damaged, or an XML part is not well-formed.
    """
    try:
        with ZipFile(BytesIO(raw)) as archive:
            _check_members(archive.infolist(), source)
            return _copied(archive, _Meter(len(raw), source), source)
    except (BadZipFile, EOFError, OSError, OverflowError, RuntimeError, ValueError, struct.error, zlib.error) as err:
        raise CorruptDocumentError(
            f"the file's archive is damaged or cut short ({str(err)[:SHOWN_CHARS]}): fetch it again, or open it in its "
            "program and save it again",
            source=source,
        ) from err


class _Meter:
    """Counts the bytes that an archive inflates to."""

    def __init__(self, size: int, source: str) -> None:
        self._size = size
        self._source = source
        self._inflated = 0

    def add(self, count: int) -> None:
        """Raises when the archive inflates beyond all measure."""
        self._inflated += count
        if self._inflated > max(SMALL_INFLATED_BYTES, MAX_INFLATION * self._size):
            raise UnsafeDocumentError(
                f"the file inflates to over {MAX_INFLATION} times its size, as an archive bomb does: it is not read",
                source=self._source,
            )
        if self._inflated > MAX_INFLATED_BYTES:
            raise LimitExceededError(
                f"the file inflates to more than {MAX_INFLATED_BYTES / 2**20:.0f} MB: split it", source=self._source
            )


def _check_members(members: Sequence[ZipInfo], source: str) -> None:
    if len(members) > MAX_MEMBERS:
        raise LimitExceededError(
            f"the file's archive has {len(members)} parts, more than the limit of {MAX_MEMBERS}: split it",
            source=source,
        )
    seen: set[str] = set()
    for info in members:
        name = info.orig_filename
        parts = name.split("/")
        if ".." in parts or not parts[0] or "\\" in name or ":" in parts[0] or "\0" in name:
            raise UnsafeDocumentError(
                f"a part's name leads out of the archive ({_shown(name)}): it is not read", source=source
            )
        if name.casefold() in seen:
            raise UnsafeDocumentError(f"two parts have the name {_shown(name)}: it is not read", source=source)
        seen.add(name.casefold())
        if info.flag_bits & ENCRYPTED_FLAG:
            raise EncryptedDocumentError("a part of the file needs a password: save a copy without one", source=source)
        if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise UnsafeDocumentError(
                f"{_shown(name)} is compressed by method {info.compress_type}, which no Office program uses: "
                "open the file in its program and save it again",
                source=source,
            )


def _copied(archive: ZipFile, meter: _Meter, source: str) -> Package:
    stream = BytesIO()
    macros = False
    embedded: list[str] = []
    with ZipFile(stream, "w", ZIP_STORED) as copy:
        for info in archive.infolist():
            name, chunks = info.filename, _inflated(archive, info, meter, source)
            macros = macros or any(mark in name.casefold() for mark in _MACROS)
            if name.casefold().endswith(_XML):
                _copy_part(copy, name, _checked_xml(chunks, name, source))
                continue
            head = next(chunks, b"")
            for _ in chunks:
                pass
            if head.startswith(_EMBEDDED) and not any(mark in name.casefold() for mark in _MACROS):
                embedded.append(name)
            if not info.is_dir():
                copy.writestr(name, b"")
        names = frozenset(copy.namelist())
    stream.seek(0)
    return Package(stream, names, _warnings(macros, embedded))


def _copy_part(copy: ZipFile, name: str, chunks: Iterator[bytes]) -> None:
    if name == CONTENT_TYPES:
        copy.writestr(name, _SLIDES_TYPE.sub(_SLIDES, _WORD_TYPE.sub(_WORD, b"".join(chunks))))
        return
    with copy.open(name, "w") as part:
        for chunk in chunks:
            part.write(chunk)


def _inflated(archive: ZipFile, info: ZipInfo, meter: _Meter, source: str) -> Iterator[bytes]:
    """Yields a part's bytes, all that there are: zipfile would stop where the header says that they end."""
    said, checksum = info.file_size, info.CRC
    info.file_size = MAX_INFLATED_BYTES + 1
    del info.CRC  # compared here, behind the sizes
    found, computed = 0, zlib.crc32(b"")
    with archive.open(info) as part:
        while chunk := part.read(CHUNK_BYTES):
            meter.add(len(chunk))
            found, computed = found + len(chunk), zlib.crc32(chunk, computed)
            yield chunk
    if found != said:
        raise UnsafeDocumentError(
            f"the archive's header lies: {_shown(info.filename)} has {found} bytes, not {said}: it is not read",
            source=source,
        )
    if computed != checksum:
        raise BadZipFile(f"the checksum of {_shown(info.filename)} is wrong")


def _checked_xml(chunks: Iterator[bytes], name: str, source: str) -> Iterator[bytes]:
    """Yields the chunks of an XML part that is well-formed and has no DOCTYPE, and so no entities of its own."""

    def refuse(*_: object) -> None:
        raise UnsafeDocumentError(
            f"{_shown(name)} has a DOCTYPE, which can define entities; no Office program writes one: it is not read",
            source=source,
        )

    def check_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise LookupError(f"unusual encoding: {encoding[:SHOWN_CHARS]}")

    # Expat itself, with two handlers: a DOCTYPE can't hide from it behind UTF-16, and it builds nothing.
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.XmlDeclHandler = check_encoding
    for chunk in chunks:
        _feed(parser, chunk, name, source)
        yield chunk
    _feed(parser, b"", name, source, last=True)


def _feed(parser: expat.XMLParserType, chunk: bytes, name: str, source: str, *, last: bool = False) -> None:
    try:
        parser.Parse(chunk, last)
    except (expat.ExpatError, LookupError, ValueError) as err:
        raise CorruptDocumentError(
            f"{_shown(name)} is no well-formed XML ({err}): open the file in its program and save it again",
            source=source,
        ) from err


def _warnings(macros: bool, embedded: Sequence[str]) -> tuple[str, ...]:
    warnings = []
    if macros:
        warnings.append("the file holds macros: its text was read, the macros were neither read nor run")
    if embedded:
        shown = ", ".join(map(_shown, embedded[:SHOWN_NAMES])) + (", ..." if len(embedded) > SHOWN_NAMES else "")
        warnings.append(f"files inside the file are not opened: {shown}; add them by themselves if they are wanted")
    return tuple(warnings)


def _shown(name: str) -> str:
    return repr(name[:SHOWN_CHARS])

"""The container of Office files before 2007, which also holds encrypted newer ones."""

from __future__ import annotations

from ...errors import EncryptedDocumentError, UnsupportedFormatError

__all__ = ["OLE_MARK", "check_no_container"]

OLE_MARK = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # the name of the stream that holds the encrypted file


def check_no_container(raw: bytes, source: str) -> None:
    """Returns if the file is no OLE container.

    Args:
        raw: The whole file.
        source: Its absolute path.

    Raises:
        EncryptedDocumentError: It holds an encrypted Office file.
        UnsupportedFormatError: It holds one of an Office before 2007.
    """
    if not raw.startswith(OLE_MARK):
        return
    if _ENCRYPTED in raw:
        raise EncryptedDocumentError(
            "the file is encrypted and needs a password: open it in its program and save a copy without one",
            source=source,
        )
    raise UnsupportedFormatError(
        "the file is of the format that Office had before 2007, whatever its name says: open it and save it as .docx, "
        ".pptx or .xlsx",
        source=source,
    )

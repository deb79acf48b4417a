"""Plain text: bytes of an unknown encoding to clean text."""

from __future__ import annotations

import codecs
import re

from .document import Document, Section

__all__ = ["clean", "decode", "read_text"]

# The longest first: the mark of UTF-32-LE begins with that of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LINE_ENDS = re.compile(r"[\r\x0b\x0c]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_MULTI_BYTE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]{1,3}")
SAMPLE_BYTES = 64 * 1024  # to either side of the first byte that is no UTF-8: enough to tell encodings apart, fast
# What people's files are in. Left to itself the guess falls on code pages of the 1980s that fit as many bytes.
COMMON_ENCODINGS = [
    *("cp1252", "cp1251", "cp1253", "cp1255", "cp1256", "koi8_r"),
    *("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "utf_16_le", "utf_16_be"),
]
DAMAGE_SHARE = 0.1  # fewer bad bytes than this per good multi-byte character: damaged UTF-8, not another encoding


def decode(raw: bytes) -> tuple[str, str | None]:
    r"""Returns the text of the bytes, and a warning where the encoding had to be guessed or bytes were lost.

    A byte order mark decides, then strict UTF-8, then charset-normalizer's best guess. Line ends become "\n" (form
    feeds and vertical tabs too), other control characters except tabs go, and no lone surrogate is left.

    Args:
        raw: The whole file.
    """
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return _with_replacement(raw, encoding)
    try:
        return clean(raw.decode("utf-8")), None
    except UnicodeDecodeError as err:
        first_bad = err.start
    lost = raw.decode("utf-8", "replace").count("\ufffd")
    if lost <= DAMAGE_SHARE * len(_MULTI_BYTE.findall(raw)):
        return _with_replacement(raw, "utf-8")
    guess = _guess(raw[max(0, first_bad - SAMPLE_BYTES) : first_bad + SAMPLE_BYTES])
    if guess is None:
        return _with_replacement(raw, "utf-8")
    text = clean(raw.decode(guess, "replace"))
    return text, f"the text is not UTF-8 and was read as {guess}: convert the file to UTF-8 if it looks wrong"


def clean(text: str) -> str:
    r"""Returns the text with "\n" line ends, without control characters except tabs, and without lone surrogates."""
    if _SURROGATES.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _CONTROLS.sub("", _LINE_ENDS.sub("\n", text.replace("\r\n", "\n")))


def read_text(raw: bytes, source: str) -> Document:
    """Returns the file as one section of plain text.

    Args:
        raw: The whole file.
        source: Its absolute path.
    """
    text, warning = decode(raw)
    return Document(source, (Section(text),), warnings=(warning,) if warning else ())


def _with_replacement(raw: bytes, encoding: str) -> tuple[str, str | None]:
    try:
        return clean(raw.decode(encoding)), None
    except UnicodeDecodeError:
        text = raw.decode(encoding, "replace")
    lost = text.count("\ufffd")
    return clean(text), f"{lost} characters are not valid {encoding.removesuffix('-sig').upper()} and were replaced"


def _guess(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=COMMON_ENCODINGS).best() or from_bytes(sample).best()
    return None if best is None else best.encoding

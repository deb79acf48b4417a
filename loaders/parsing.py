"""The parsing process: reads untrusted files on behalf of `ParserPool`, one after the other, within limits.

Requests and answers are JSON in frames of a 4-byte length and as many bytes. JSON, not pickle: a file that takes over
the parser must not be able to run code in the process that asked.
"""

from __future__ import annotations

import base64
import json
import math
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from typing import IO, Any, TypeVar, cast

from .. import errors
from .boxes import Box, Stretch, find_boxes
from .document import Document, Section
from .files import open_regular
from .limits import MAX_FILE_BYTES, MAX_PAGES, MEMORY_BYTES, SECONDS_A_PAGE, check_size
from .node import freeze_metadata
from .page_image import PageImage, draw_frame, draw_page, png_size
from .sniff import IMAGE_FORMATS, Format, ImageFormat
from .text import read_text

__all__ = ["HEADER", "Json", "boxes_of", "document_of", "page_image_of", "parse", "serve", "write_frame"]

HEADER = struct.Struct(">I")
MAX_WRITE_BYTES = 1 << 20  # the process writes nothing but its last words to a file of the parent's
ALARM_GRACE_SECONDS = 5  # the parent's deadline comes first; the alarm ends a hang after the parent is gone
MAX_REASON_CHARS = 500
REPAIR = "open it in its program and save it again"

Json = dict[str, Any]
Result = TypeVar("Result")


def parse(path: str, kind: Format, *, on_pages: Callable[[int], None] | None = None) -> Document:
    """Returns the document at a path.

    Args:
        path: The file's absolute path, which is also its source.
        kind: The format to read it as.
        on_pages: Called with the number of pages before they are read, where there are pages.

    Raises:
        ChangedDocumentError: It can't be opened (any more).
        DocumentError: It can't be read for another reason; the subclass says which.
    """
    try:
        if kind == "pdf":
            from .pdf import read_pdf

            return read_pdf(path, path, on_pages=on_pages)
        raw = _read(path)
    except OSError as err:
        raise _unopened(path, err) from err
    if kind in ("docx", "pptx", "xlsx"):
        from .office import read_office

        return read_office(raw, path, kind, on_pages=on_pages)
    if kind in IMAGE_FORMATS:
        from .image import read_image

        return read_image(raw, path, cast(ImageFormat, kind), on_pages=on_pages)
    if kind == "html":
        from .html import read_html

        return read_html(raw, path)
    if kind == "markdown":
        from .markdown import read_markdown

        return read_markdown(raw, path)
    return read_text(raw, path)


def serve() -> None:
    """Answers requests from stdin until it ends. Only `ParserPool` calls this, in a process of its own."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not end up between the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the kernel ends a hang, even one inside a C library
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_WRITE_BYTES, MAX_WRITE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    write_frame(answers, {"ready": True})
    requests = sys.stdin.buffer
    while len(head := requests.read(HEADER.size)) == HEADER.size:
        request = json.loads(requests.read(HEADER.unpack(head)[0]))
        _set_alarm(request["seconds"])
        write_frame(answers, _answer(request, answers))
        signal.alarm(0)


def write_frame(stream: IO[bytes], message: Json) -> None:
    """Writes one message and flushes it."""
    payload = json.dumps(message).encode()
    stream.write(HEADER.pack(len(payload)) + payload)
    stream.flush()


def document_of(answer: Json, source: str) -> Document:
    """Returns the document in an answer of the parsing process.

    Args:
        answer: The decoded JSON.
        source: The document's source: the answer is not asked for it.

    Raises:
        DocumentError: The answer says why the file could not be read.
        CorruptDocumentError: It is no answer at all: a file took over its parser.
    """

    def decode() -> Document:
        sections = tuple(_section(entry) for entry in answer["sections"])
        return Document(source, sections, freeze_metadata(answer["metadata"]), tuple(map(str, answer["warnings"])))

    return _decoded(answer, source, decode)


def boxes_of(answer: Json, source: str, count: int) -> list[tuple[Box, ...]]:
    """Returns the boxes in an answer of the parsing process.

    Args:
        answer: The decoded JSON.
        source: The document's source.
        count: For how many stretches boxes were asked.

    Raises:
        DocumentError: The answer says why the file could not be read.
        CorruptDocumentError: It is no answer at all: a file took over its parser.
    """

    def decode() -> list[tuple[Box, ...]]:
        boxes = [tuple(_box(entry) for entry in entries) for entries in answer["boxes"]]
        if len(boxes) != count:
            raise ValueError(len(boxes))
        return boxes

    return _decoded(answer, source, decode)


def page_image_of(answer: Json, source: str, page: int) -> PageImage:
    """Returns the picture in an answer of the parsing process.

    Args:
        answer: The decoded JSON.
        source: The document's source.
        page: The page that was asked for.

    Raises:
        DocumentError: The answer says why the page could not be drawn.
        InvalidArgumentError: It says that there is no such page.
        CorruptDocumentError: It is no answer at all: a file took over its parser.
    """

    def decode() -> PageImage:
        png = base64.b64decode(answer["png"], validate=True)
        width, height = png_size(png)
        dpi = float(answer["dpi"])
        if not 0 < dpi < math.inf:
            raise ValueError(dpi)
        return PageImage(source, page, width, height, dpi, png)

    if "refused" in answer:
        raise errors.InvalidArgumentError(str(answer["refused"])[:MAX_REASON_CHARS])
    return _decoded(answer, source, decode)


def _decoded(answer: Json, source: str, decode: Callable[[], Result]) -> Result:
    try:
        if "error" not in answer:
            return decode()
        found = getattr(errors, str(answer["error"]))
        if not issubclass(found, errors.DocumentError):
            raise TypeError(found)
        failure = found(str(answer["reason"])[:MAX_REASON_CHARS], source=source, page=answer["page"])
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as err:
        raise errors.CorruptDocumentError(
            "the parser gave a malformed answer: the file broke it", source=source
        ) from err
    raise failure


def _box(entry: list[object]) -> Box:
    left, bottom, right, top = (float(str(value)) for value in entry)  # by way of text no integer is too large
    if not all(map(math.isfinite, (left, bottom, right, top))):
        raise ValueError(entry)
    return left, bottom, right, top


def _unopened(path: str, err: OSError) -> errors.ChangedDocumentError:
    return errors.ChangedDocumentError(f"the file can't be opened: {err.strerror or err}", source=path)


def _read(path: str) -> bytes:
    with open(open_regular(path), "rb") as stream:
        raw = stream.read(MAX_FILE_BYTES + 1)
    check_size(len(raw), path)
    return raw


def _section(entry: Json) -> Section:
    page = None if entry["page"] is None else int(entry["page"])
    return Section(str(entry["text"]), page, int(entry["start_char"]), freeze_metadata(entry["metadata"]))


def _answer(request: Json, answers: IO[bytes]) -> Json:
    def on_pages(count: int) -> None:
        _set_alarm(request["seconds"] + SECONDS_A_PAGE * min(count, MAX_PAGES))
        write_frame(answers, {"pages": count})

    try:
        if "stretches" in request:
            return {"boxes": _find_boxes(request)}
        if "marks" in request:
            return _draw(request)
        document = parse(request["path"], request["format"], on_pages=on_pages)
    except errors.DocumentError as err:
        return {"error": type(err).__name__, "reason": err.reason, "page": err.page}
    except MemoryError:
        reason = f"reading the file took more than {MEMORY_BYTES / 1e9:.1f} GB of memory: split it"
        return {"error": "LimitExceededError", "reason": reason, "page": None}
    except Exception as err:  # whatever a parser raises on a hostile file is about that file
        reason = f"its parser failed with {type(err).__name__}: {str(err)[:200]}: {REPAIR}"
        return {"error": "CorruptDocumentError", "reason": reason, "page": None}
    return {
        "sections": [
            {"text": part.text, "page": part.page, "start_char": part.start_char, "metadata": dict(part.metadata)}
            for part in document.sections
        ],
        "metadata": dict(document.metadata),
        "warnings": list(document.warnings),
    }


def _find_boxes(request: Json) -> list[tuple[Box, ...]]:
    path = request["path"]
    try:
        return find_boxes(path, path, [Stretch(*entry) for entry in request["stretches"]])
    except OSError as err:
        raise _unopened(path, err) from err


def _draw(request: Json) -> Json:
    path, kind, page, dpi = (request[key] for key in ("path", "format", "page", "dpi"))
    try:
        if kind == "pdf":
            picture = draw_page(path, path, page=page, dpi=dpi, marks=[_box(mark) for mark in request["marks"]])
        else:
            picture = draw_frame(_read(path), path, kind, page=page, dpi=dpi)
    except errors.InvalidArgumentError as err:
        return {"refused": str(err)}
    except OSError as err:
        raise _unopened(path, err) from err
    return {"png": base64.b64encode(picture.png).decode(), "dpi": picture.dpi}


def _set_alarm(seconds: float) -> None:
    signal.alarm(math.ceil(seconds) + ALARM_GRACE_SECONDS)

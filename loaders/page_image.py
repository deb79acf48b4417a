"""Pictures of pages: drawn from PDFs with pdfium, taken from image files with Pillow.

Everybody gets a `PageImage`. They are made in a parsing process: the files are not trusted.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import CorruptDocumentError, InvalidArgumentError, LimitExceededError
from .boxes import Box
from .image import read_frame
from .limits import MAX_PAGE_PIXELS, POINTS_AN_INCH, check_page, check_size
from .pdf import open_pdf
from .sniff import ImageFormat

if TYPE_CHECKING:
    from PIL.Image import Image
    from pypdfium2 import PdfBitmap, PdfPage

__all__ = ["PageImage", "check_dpi", "draw_frame", "draw_page", "png_size"]

Rectangle: TypeAlias = tuple[int, int, int, int]

MARK_COLOUR = (255, 240, 110)
MARK_MARGIN = 1.5  # points around the letters, which a box fits tightly
COMPRESSION = 2  # zlib's; a scan gets 9% larger than at 6 in half the time, and noise takes no minute
PNG_HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
PNG_SIZE = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class PageImage:
    """A page as a picture. A notebook shows it.

    Args:
        source: Absolute path of the file.
        page: 1-based page number, or frame of an image file.
        width: Pixels.
        height: Pixels.
        dpi: Dots per inch that it was made at.
        png: The picture as a PNG file's bytes.
    """

    source: str
    page: int
    width: int
    height: int
    dpi: float
    png: bytes = field(repr=False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the PNG file, over what is there, and returns its path.

        Args:
            path: Where to write it.

        Raises:
            InvalidArgumentError: The name says that it is another kind of picture.
            OSError: It can't be written.
        """
        where = Path(path)
        if where.suffix.lower() not in ("", ".png"):
            raise InvalidArgumentError(f"a page is saved as a PNG picture: name it *.png, got {str(where)!r:.200}")
        where.write_bytes(self.png)
        return where

    def _repr_png_(self) -> bytes:
        return self.png


def check_dpi(dpi: float) -> None:
    """Returns if a picture may be asked for at this resolution.

    Args:
        dpi: Dots per inch.

    Raises:
        InvalidArgumentError: It is not above 0, or no finite number.
    """
    if not (0 < dpi < math.inf):
        raise InvalidArgumentError(f"dpi must be a number above 0, such as 150, got {dpi}")


def png_size(png: bytes) -> tuple[int, int]:
    """Returns the width and height that a PNG's header tells.

    Args:
        png: The file's bytes.

    Raises:
        ValueError: It is no PNG, or has more pixels than a page's picture may.
    """
    if not png.startswith(PNG_HEAD) or len(png) < len(PNG_HEAD) + PNG_SIZE.size:
        raise ValueError("no PNG")
    width, height = PNG_SIZE.unpack_from(png, len(PNG_HEAD))
    if not 0 < width * height <= MAX_PAGE_PIXELS:
        raise ValueError(f"{width} x {height} pixels")
    return width, height


def draw_page(path: str, source: str, *, page: int, dpi: float, marks: Sequence[Box] = ()) -> PageImage:
    """Returns a PDF's page as a viewer shows it: cropped, turned, with annotations and filled-in forms, on white.

    Args:
        path: Where the file is.
        source: What the document is called in the picture and in messages.
        page: 1-based page number.
        dpi: Dots per inch.
        marks: What to mark in yellow: boxes in points of the page's own coordinates, as `find_boxes` gives them.

    Raises:
        EncryptedDocumentError: The file needs a password.
        CorruptDocumentError: It is no PDF that pdfium can open, or the page can't be read.
        LimitExceededError: It has too many bytes, or the picture would have too many pixels; nothing is drawn then.
        InvalidArgumentError: There is no such page.
    """
    from pypdfium2 import PdfiumError

    check_size(Path(path).stat().st_size, source)
    with closing(open_pdf(path, source)) as pdf:
        try:
            pdf.init_forms()  # before pages are opened: what is filled in is drawn on top of them
            check_page(page, len(pdf), source)
            with closing(pdf[page - 1]) as opened:
                _check_pixels(opened, source, page, dpi)
                with closing(opened.render(scale=dpi / POINTS_AN_INCH)) as bitmap:
                    image = bitmap.to_pil()
                    rectangles = [_rectangle(bitmap, opened, box) for box in marks]
        except PdfiumError as err:
            raise CorruptDocumentError(
                f"page {page} can't be drawn ({err}): open the PDF in a viewer and save it again", source=source
            ) from err
    return _as_png(_marked(image, rectangles) if rectangles else image, source, page, dpi)


def draw_frame(raw: bytes, source: str, kind: ImageFormat, *, page: int, dpi: float) -> PageImage:
    """Returns a frame of an image file as a viewer shows it; see `read_frame`.

    Args:
        raw: The file's bytes.
        source: What the document is called in the picture and in messages.
        kind: The format to read it as.
        page: The frame's number, from 1.
        dpi: Dots per inch at most: an image is scaled down and never up.

    Raises:
        CorruptDocumentError: The image is damaged, cut off, or of another format.
        LimitExceededError: The frame has too many pixels.
        InvalidArgumentError: There is no such frame.
    """
    image, sparser = read_frame(raw, source, kind, page=page, dpi=dpi)
    return _as_png(image, source, page, sparser)


def _check_pixels(opened: PdfPage, source: str, page: int, dpi: float) -> None:
    width, height = opened.get_size()
    if not (math.isfinite(width) and math.isfinite(height)):
        raise CorruptDocumentError(
            f"page {page} has no size: open the PDF in a viewer and save it again", source=source
        )
    across, down = _pixels(width, height, dpi)
    if across * down <= MAX_PAGE_PIXELS:
        return
    fits = _greatest_dpi(width, height)
    advice = f"ask for at most {fits:g} dpi" if fits else "no resolution is low enough for it"
    raise LimitExceededError(
        f"page {page} would have {across:,} x {down:,} pixels at {dpi:g} dpi, more than the limit of "
        f"{MAX_PAGE_PIXELS / 1e6:.0f} megapixels: {advice}",
        source=source,
    )


def _pixels(width: float, height: float, dpi: float) -> tuple[int, int]:
    """Returns a picture's pixels as pdfium rounds them."""
    return math.ceil(width * dpi / POINTS_AN_INCH), math.ceil(height * dpi / POINTS_AN_INCH)


def _greatest_dpi(width: float, height: float) -> float:
    """Returns the greatest resolution within the limit, in whole dots or hundredths of one; 0 where there is none."""
    exact = POINTS_AN_INCH * min(math.sqrt(MAX_PAGE_PIXELS / (width * height)), MAX_PAGE_PIXELS / max(width, height))
    steps = 1 if exact >= 1 else 100
    count = math.floor(exact * steps)
    while count and math.prod(_pixels(width, height, count / steps)) > MAX_PAGE_PIXELS:
        count -= 1
    return count / steps


def _rectangle(bitmap: PdfBitmap, opened: PdfPage, box: Box) -> Rectangle:
    """Returns where a box of the page stands on its picture, cropped and turned as it is: in pixels, y downwards."""
    left, bottom, right, top = box
    place = bitmap.get_posconv(opened)
    one = place.to_bitmap(left - MARK_MARGIN, bottom - MARK_MARGIN)
    other = place.to_bitmap(right + MARK_MARGIN, top + MARK_MARGIN)
    (x0, x1), (y0, y1) = (sorted(pair) for pair in zip(one, other, strict=True))
    return x0, y0, x1, y1


def _marked(image: Image, rectangles: Sequence[Rectangle]) -> Image:
    """Returns the picture under yellow film: paper turns yellow and letters stay as dark as they are."""
    from PIL import Image, ImageChops, ImageDraw

    film = Image.new("RGB", image.size, "white")
    pen = ImageDraw.Draw(film)
    for rectangle in rectangles:
        pen.rectangle(rectangle, fill=MARK_COLOUR)
    return ImageChops.multiply(image, film)


def _as_png(image: Image, source: str, page: int, dpi: float) -> PageImage:
    buffer = BytesIO()
    image.save(buffer, "PNG", dpi=(dpi, dpi), compress_level=COMPRESSION)
    return PageImage(source, page, image.width, image.height, dpi, buffer.getvalue())

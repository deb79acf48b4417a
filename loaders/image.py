"""Image files, frame by frame, with Pillow. It runs in a parsing process: the files are not trusted."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING

from ..errors import CorruptDocumentError, LateralError, LimitExceededError
from .document import Document, Section
from .limits import MAX_PAGE_PIXELS, MAX_PAGES, RENDER_DPI, check_page
from .node import MetadataValue
from .properties import named_properties
from .ranges import bare_pages
from .sniff import ImageFormat

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

__all__ = ["read_frame", "read_image"]

# Where Pillow reads each format. A file is handed to the one reader of its format and to none of the forty others; the
# second image of a camera's JPEG, its preview, is not looked for.
_READERS: dict[ImageFormat, tuple[str, str]] = {
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
}
# The tags of EXIF and TIFF that are read. The place where a picture was taken is not among them.
_DOCUMENT_NAME, _ORIENTATION, _ARTIST = 0x010D, 0x0112, 0x013B
# How to turn an image that says how its camera was held.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_ON_ITS_SIDE = (5, 6, 7, 8)
MIN_STATED_DPI, MAX_STATED_DPI = 50, 1200  # of scanned and printed pages; a film scan's 4,800 tell nothing of a page
MAX_16_BITS = 65_535


def read_image(
    raw: bytes, source: str, kind: ImageFormat, *, on_pages: Callable[[int], None] | None = None
) -> Document:
    """Returns the image as a document without text: an empty section a frame, which is a page.

    Every frame is decoded, and dropped again, so that a file which is cut off does not pass for a page. A section's
    metadata has the frame's `width` and `height` in pixels, as it is seen; the document's have `page_count`, and
    `title` and `author` where the file says them. Nothing else is taken over, the place of a photo least of all.

    Args:
        raw: The file's bytes.
        source: What the document is called in nodes and messages.
        kind: The format to read it as.
        on_pages: Called with the number of frames before they are decoded.

    Raises:
        CorruptDocumentError: It is damaged, cut off, or of another format.
        LimitExceededError: It has too many frames, or one of them too many pixels.
    """
    with _opened(raw, source, kind) as image:
        count = _count_frames(image)
        if count > MAX_PAGES:
            raise LimitExceededError(
                f"the image has more frames than the limit of {MAX_PAGES:,}: split it", source=source
            )
        if on_pages is not None:
            on_pages(count)
        sections = tuple(_section(image, source, page) for page in range(1, count + 1))
        named = _named(image)
    warning = bare_pages(range(1, count + 1))
    return Document(source, sections, {"page_count": count, **named}, warnings=(warning,))


def read_frame(raw: bytes, source: str, kind: ImageFormat, *, page: int, dpi: float) -> tuple[Image, float]:
    """Returns one frame as a viewer shows it, upright, in 8 bits of grey or colour, on white; and its dots per inch.

    It is scaled down to `dpi` and never up: where the frame has fewer dots per inch, it keeps them. A file that says
    nothing of them, or what no page has, is taken to have those of a page's picture, `RENDER_DPI`.

    Args:
        raw: The file's bytes.
        source: What the document is called in messages.
        kind: The format to read it as.
        page: The frame's number, from 1.
        dpi: Dots per inch at most.

    Raises:
        CorruptDocumentError: The image is damaged, cut off, or of another format.
        LimitExceededError: The frame has too many pixels.
        InvalidArgumentError: There is no such frame.
    """
    with _opened(raw, source, kind) as image:
        check_page(page, _count_frames(image), source)
        _load_frame(image, source, page)
        across, down = _resolution(image)
        sparser = min(dpi, across, down)
        seen = _as_seen(image)
        if _orientation(image) in _ON_ITS_SIDE:
            across, down = down, across
        size = (_scaled(seen.width, sparser / across), _scaled(seen.height, sparser / down))
        return (seen if size == seen.size else seen.resize(size, reducing_gap=2.0)), sparser


@contextmanager
def _opened(raw: bytes, source: str, kind: ImageFormat) -> Iterator[ImageFile]:
    """Yields the image, of which only the header is read; what Pillow raises inside becomes an error of ours."""
    from PIL.Image import DecompressionBombError, DecompressionBombWarning

    module, name = _READERS[kind]
    try:
        with _guarded():
            image = getattr(import_module(module), name)(BytesIO(raw))
            _check_pixels(image, source)
            yield image
    except (LateralError, MemoryError):
        raise
    except (DecompressionBombError, DecompressionBombWarning) as err:
        raise LimitExceededError(
            f"the image is larger than the limit of {MAX_PAGE_PIXELS / 1e6:.0f} megapixels ({err}): scale it down",
            source=source,
        ) from err
    except Exception as err:  # whatever Pillow raises on damaged bytes is about the file
        raise CorruptDocumentError(
            f"the {kind.upper()} image can't be read, it is damaged or cut off ({type(err).__name__}: "
            f"{str(err)[:200]}): open it in a viewer and save it again",
            source=source,
        ) from err


@contextmanager
def _guarded() -> Iterator[None]:
    """Has Pillow refuse what grows past the limit behind its header, as a GIF's frames may, and warn of nothing."""
    from PIL import Image

    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PAGE_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _check_pixels(image: ImageFile, source: str, page: int | None = None) -> None:
    width, height = image.size
    if width * height > MAX_PAGE_PIXELS:
        what = "the image" if page is None else f"page {page}"
        raise LimitExceededError(
            f"{what} has {width:,} x {height:,} pixels, more than the limit of {MAX_PAGE_PIXELS / 1e6:.0f} "
            "megapixels: scale it down, or cut it up",
            source=source,
        )


def _count_frames(image: ImageFile) -> int:
    """Returns how many frames there are, counted no further than one past the limit."""
    if image.format != "TIFF":
        return int(getattr(image, "n_frames", 1))
    count = 0  # Pillow would walk to the end of the chain, and take ever longer for each link
    try:
        while count <= MAX_PAGES:
            image.seek(count)
            count += 1
    except EOFError:
        pass
    return count


def _load_frame(image: ImageFile, source: str, page: int) -> None:
    image.seek(page - 1)
    _check_pixels(image, source, page)
    image.load()


def _section(image: ImageFile, source: str, page: int) -> Section:
    if image.format == "JPEG":
        size = image.size
        image.draft(None, (1, 1))  # all bytes are read, and an eighth of the pixels computed
        image.load()
    else:
        _load_frame(image, source, page)
        size = image.size
    width, height = reversed(size) if _orientation(image) in _ON_ITS_SIDE else size
    return Section("", page=page, metadata={"width": width, "height": height})


def _orientation(image: Image) -> int:
    said = _tag(image, _ORIENTATION)
    return said if isinstance(said, int) else 1


def _tag(image: Image, number: int) -> object:
    try:
        return image.getexif().get(number)
    except Exception:  # what a camera or an editor noted beside a sound picture is no reason to refuse it
        return None


def _resolution(image: Image) -> tuple[float, float]:
    """Returns the dots per inch along the rows and down the columns, as they are stored."""
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return RENDER_DPI, RENDER_DPI
    stated = all(MIN_STATED_DPI <= value <= MAX_STATED_DPI for value in (across, down))
    return (across, down) if stated else (RENDER_DPI, RENDER_DPI)


def _scaled(length: int, share: float) -> int:
    return max(1, round(length * share))


def _as_seen(image: Image) -> Image:
    """Returns a decoded image, of any mode of Pillow's, turned upright, in 8 bits of grey or colour, on white."""
    from PIL.Image import Transpose, new

    turn = _TURNS.get(_orientation(image))
    seen = _in_8_bits(image)
    if seen.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in seen.info:
        seen = seen.convert("RGBA")
        paper = new("RGB", seen.size, "white")
        paper.paste(seen, mask=seen.getchannel("A"))
        seen = paper
    elif seen.mode not in ("L", "RGB"):
        seen = seen.convert("L" if seen.mode == "1" else "RGB")
    return seen if turn is None else seen.transpose(Transpose[turn])


def _named(image: Image) -> dict[str, MetadataValue]:
    title = image.info.get("Title") or _tag(image, _DOCUMENT_NAME)
    author = image.info.get("Author") or _tag(image, _ARTIST)
    texts = [value if isinstance(value, str) else None for value in (title, author)]
    return named_properties(*texts)


def _in_8_bits(image: Image) -> Image:
    """Returns deep grey as 8-bit grey: 16 bits by their range, others stretched from the darkest to the lightest."""
    if image.mode.startswith("I;16"):
        deep, low, high = image.convert("I"), 0.0, float(MAX_16_BITS)
    elif image.mode in ("I", "F"):
        deep = image
        low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]  # one band: two numbers
    else:
        return image
    span = high - low
    scale = 255 / span if math.isfinite(span) and span > 0 else 0.0
    start = low if math.isfinite(low) else 0.0
    return deep.point(lambda value: value * scale - start * scale).convert("L")

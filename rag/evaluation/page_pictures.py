"""Pictures of a folder's pages, as chat models take them."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from ...errors import DocumentError
from ...loaders.files import SourceFile
from ...loaders.load import render_page
from ...loaders.page_image import PageImage
from ...loaders.sniff import IMAGE_FORMATS
from ...loaders.worker import ParserPool
from .folder_pages import FolderPage

__all__ = ["PagePictures"]

logger = logging.getLogger(__name__)

PICTURE_DPI = 100  # a page of print has 827 x 1,169 pixels: print is legible, and models scale more down themselves
MAX_PICTURE_PIXELS = 4_000_000  # of a poster: more is scaled down on the other side, after it has been sent


class PagePictures:
    """Draws pages of PDF and image files, in a parsing process that ends with `close`.

    Args:
        files: The folder's files by name, as `read_pages` gives them.
    """

    def __init__(self, files: Mapping[str, SourceFile]) -> None:
        self._files = files
        self._pool = ParserPool(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process; nothing more is drawn."""
        self._pool.close()

    def of(self, page: FolderPage) -> PageImage | None:
        """Returns a page's picture, of at most 4 megapixels; None where it has none.

        Files of other formats have none. A page that can't be drawn has none either, which is logged as a warning.

        Raises:
            LateralError: No parsing process can be started.
        """
        file = self._files.get(page.file)
        if file is None or page.page is None or (file.format != "pdf" and file.format not in IMAGE_FORMATS):
            return None
        try:
            picture = render_page(file, page.page, dpi=PICTURE_DPI, pool=self._pool)
            excess = picture.width * picture.height / MAX_PICTURE_PIXELS
            if excess <= 1:
                return picture
            return render_page(file, page.page, dpi=picture.dpi / math.sqrt(excess), pool=self._pool)
        except DocumentError as err:
            logger.warning("page %d of %.200r is shown as text alone: %s", page.page, page.file, err)
            return None

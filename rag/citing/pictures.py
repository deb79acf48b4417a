"""Pictures of cited pages, with the cited lines marked."""

from __future__ import annotations

from ...errors import ChangedDocumentError, InvalidArgumentError, UnsupportedFormatError
from ...loaders.boxes import Box
from ...loaders.files import SourceFile, find_file
from ...loaders.load import render_page
from ...loaders.node import document_id
from ...loaders.page_image import PageImage
from ...retrievers.hit import Hit
from ...retrievers.store import Index
from .boxes import BoxFinder, Located, is_as_indexed
from .citations import Citation

__all__ = ["show_page"]


def show_page(text: Located, finder: BoxFinder, *, index: Index, dpi: float, highlight: bool = True) -> PageImage:
    """Returns the page that a text stands on as a picture, drawn in the finder's parsing process.

    Args:
        text: A citation, hit, node or passage.
        finder: Says where the text stands. A citation with `boxes` (see `RAG.locate`) brings them.
        index: The index that the text comes from.
        dpi: Dots per inch. An image file is scaled down to them, never up.
        highlight: Mark the text's lines in yellow. A page without a text layer has none to mark.

    Raises:
        InvalidArgumentError: A citation whose number no passage has, or `dpi` is not above 0.
        UnsupportedFormatError: The text comes from no page of a PDF or image file.
        ChangedDocumentError: The file is gone, has changed since it was indexed, or is out of the index.
        LimitExceededError: The picture would have over 40 megapixels; the message says what fits.
        DocumentError: The page can't be drawn for another reason; the subclass says which.
        StoreError: The index can't be read.
        LateralError: No parsing process can be started.
    """
    place = text.node if isinstance(text, Hit) else text
    if place.source is None:
        number = place.n if isinstance(place, Citation) else "?"
        raise InvalidArgumentError(f"citation [{number}] names no passage: there is no page to show")
    file = _indexed_file(index, place.source)
    if place.page is None:
        raise UnsupportedFormatError(
            f"{place.source!r} has no pages to show: only PDF and image files have", source=place.source
        )
    marks = _boxes(text, finder) if highlight else ()
    return render_page(file, place.page, dpi=dpi, marks=marks, pool=finder.pool())


def _boxes(text: Located, finder: BoxFinder) -> tuple[Box, ...]:
    if isinstance(text, Citation) and text.boxes:
        return text.boxes
    return finder.find([text])[0]


def _indexed_file(index: Index, source: str) -> SourceFile:
    """Returns the file that a document was read from, if it still is what it was then."""
    with index.read() as snapshot:
        found = snapshot.rows(
            f"SELECT content_hash, size, mtime_ns, ctime_ns FROM documents WHERE id = '{document_id(source)}'"
        )
    if not found:
        raise ChangedDocumentError(f"{source!r} is not in the index any more: add it again", source=source)
    content_hash, *stat = found[0]
    if stat[0] is None:
        raise UnsupportedFormatError(
            f"{source!r} was given in memory: only PDF and image files have pages to show", source=source
        )
    if not is_as_indexed(source, content_hash, stat):
        raise ChangedDocumentError(f"{source!r} has changed or gone since it was indexed: add it again", source=source)
    return find_file(source)

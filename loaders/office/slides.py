"""PowerPoint presentations: a section a slide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from ...errors import LimitExceededError
from ...extras import require
from ..document import Document, Section
from ..limits import MAX_PAGES
from ..properties import named_properties
from ..ranges import ranges
from .blocks import BlockText
from .package import Package

__all__ = ["read_slides"]

Untyped: TypeAlias = Any  # what python-pptx gives: its types don't know the kinds of shapes

# What a template puts on every slide.
_FURNITURE = frozenset({"DATE", "FOOTER", "HEADER", "SLIDE_NUMBER"})
_LISTED = frozenset({"BODY", "OBJECT", "VERTICAL_BODY", "VERTICAL_OBJECT"})
_PICTURES = ("}pic", "}graphicFrame")


def read_slides(package: Package, source: str, *, on_pages: Callable[[int], None] | None = None) -> Document:
    """Returns the presentation's text, one section a slide: its title, its shapes in their order, and its notes.

    A slide's title is its `header_path`, and its number as it is shown is its `page_label`. The paragraphs of a slide's
    body are list items, tables are Markdown tables. Dates, footers and slide numbers are left out.

    Args:
        package: The checked archive.
        source: The file's absolute path.
        on_pages: Called with the number of slides before they are read.

    Raises:
        LimitExceededError: It has too many slides.
    """
    deck = require("pptx", extra="office").Presentation(package.stream)
    slides = list(deck.slides)
    if len(slides) > MAX_PAGES:
        raise LimitExceededError(
            f"the presentation has {len(slides)} slides, more than the limit of {MAX_PAGES}: split it", source=source
        )
    if on_pages is not None:
        on_pages(len(slides))
    first = deck.element.get("firstSlideNum", "1")
    shift = int(first) - 1 if first.isdecimal() else 0
    unread: list[int] = []
    sections = tuple(_section(slide, number, number + shift, unread) for number, slide in enumerate(slides, 1))
    properties = deck.core_properties
    metadata = {"page_count": len(slides), **named_properties(properties.title, properties.author)}
    return Document(source, sections, metadata, (*package.warnings, *_warning(unread)))


def _section(slide: Untyped, number: int, shown: int, unread: list[int]) -> Section:
    built = BlockText()
    title = slide.shapes.title
    if title is not None:
        built.heading(title.text_frame.text, 1)
    for shape in _shapes(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            _add(built, shape)
    if not built.text and any(shape.element.tag.endswith(_PICTURES) for shape in _shapes(slide.shapes)):
        unread.append(number)
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if notes is not None and notes.text.strip():
        built.paragraph(f"Notes: {notes.text.strip()}")
    path = {"header_path": built.headings[0].title} if built.headings else {}
    return Section(built.text, page=number, metadata={"page_label": str(shown), **path})


def _shapes(shapes: Untyped) -> Iterator[Untyped]:
    """Yields the shapes, those of groups in the groups' place."""
    stack = list(reversed(list(shapes)))
    while stack:
        shape = stack.pop()
        if shape.element.tag.endswith("}grpSp"):
            stack.extend(reversed(list(shape.shapes)))
        else:
            yield shape


def _add(built: BlockText, shape: Untyped) -> None:
    kind = _placeholder(shape)
    if kind in _FURNITURE:
        return
    if getattr(shape, "has_table", False):
        built.table([[cell.text for cell in row.cells] for row in shape.table.rows])
    elif shape.has_text_frame:
        paragraphs = [it for it in shape.text_frame.paragraphs if it.text.strip()]
        if kind in _LISTED and len(paragraphs) > 1:
            for paragraph in paragraphs:
                built.item(paragraph.text, paragraph.level)
        else:
            built.paragraph("\n".join(it.text for it in paragraphs))


def _placeholder(shape: Untyped) -> str:
    if not shape.is_placeholder or shape.placeholder_format.type is None:
        return ""
    return str(shape.placeholder_format.type.name)


def _warning(unread: list[int]) -> tuple[str, ...]:
    if not unread:
        return ()
    slides = f"slide {unread[0]} has" if len(unread) == 1 else f"slides {ranges(unread)} have"
    return (f"{slides} pictures, charts or diagrams and no text: what they show is not indexed",)

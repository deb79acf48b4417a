"""What a loader reads from one file, before it is cut into nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

from .node import Metadata

__all__ = ["Document", "Section"]


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text that no chunk crosses: a page, or what stands under one heading.

    Args:
        text: Verbatim text of the section. Empty for a page without a text layer.
        page: 1-based page number, None where the format has no pages.
        start_char: Offset of the section's text in its page's text (or the document's, without pages).
        metadata: What holds for this section alone, such as `header_path` or `page_label`.
    """

    text: str
    page: int | None = None
    start_char: int = 0
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one source, in sections.

    Args:
        source: Absolute path of the file, or the caller's id for a document given in memory.
        sections: In reading order. A paged document has exactly one section a page.
        metadata: What holds for the whole document, such as `file_name` and `title`.
        warnings: What the loader could not read or had to guess, in words for the user.
    """

    source: str
    sections: tuple[Section, ...]
    metadata: Metadata = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def paged(self) -> bool:
        """Whether the format has pages."""
        return any(section.page is not None for section in self.sections)

    def metadata_of(self, section: Section) -> Metadata:
        """Returns the section's metadata over the document's."""
        return {**self.metadata, **section.metadata}

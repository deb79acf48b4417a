"""Word documents: headings, paragraphs, lists, tables and notes, in the document's order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ...extras import require
from ..document import Document
from ..properties import named_properties
from ..sections import Heading, first_title, sections_at
from .blocks import BlockText
from .package import Package

__all__ = ["read_word"]

Element: TypeAlias = Any  # lxml has no types

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_COMPATIBLE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MATHS = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_NOTES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
_PARAGRAPH, _TABLE, _ROW, _CELL, _BOX = (f"{_W}{name}" for name in ("p", "tbl", "tr", "tc", "txbxContent"))
_VALUE = f"{_W}val"
# What may stand around blocks, rows, cells and runs without being one.
_AROUND = frozenset(
    {
        *(f"{_W}{name}" for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo")),
        f"{_COMPATIBLE}AlternateContent",
        f"{_COMPATIBLE}Choice",
    }
)
# What was deleted or moved away, and what stands twice.
_NO_TEXT = frozenset({f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr", f"{_COMPATIBLE}Fallback"})
_MARKS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_REFERENCES = {f"{_W}footnoteReference": "footnote", f"{_W}endnoteReference": "endnote"}
_HEADING = re.compile(r"heading (\d)")
_OFF = ("0", "false", "off", "none")
TITLE_LEVEL = 0  # above the headings, of which the highest have 1
MAX_HEADING_LEVEL = 6  # of Markdown and HTML; Word has nine
MAX_SPAN = 63  # Word's most columns
BODY_LEVEL = 9  # the outline level of a paragraph that is no heading


@dataclass(frozen=True, slots=True)
class _Style:
    """What a paragraph style says, that of the styles it is based on included."""

    level: int | None = None  # that of a heading
    listed: bool = False
    contents: bool = False  # a line of a table of contents


@dataclass(frozen=True, slots=True)
class _Inline:
    text: str
    boxes: tuple[Element, ...]
    notes: tuple[tuple[str, str], ...]


def read_word(package: Package, source: str) -> Document:
    """Returns the document's text in sections by its headings; offsets are in the extracted text.

    Headings are the paragraphs with an outline level, of their own or by their style. List items begin with "- ",
    tables are Markdown tables, a table of one cell is a box whose content stands for itself, notes and text boxes stand
    behind the paragraph that they belong to. Left out: headers and footers, comments, hidden and deleted text, and
    tables of contents.

    Args:
        package: The checked archive.
        source: The file's absolute path.
    """
    document = require("docx", extra="office").Document(package.stream)
    reader = _Reader(_styles(document.styles.element), _notes(document.part))
    reader.read(document.element.body)
    built, headings = reader.built, _with_title(reader.built.headings)
    properties = document.core_properties
    metadata = named_properties(properties.title, properties.author)
    if title := metadata.get("title") or first_title(headings):
        metadata["title"] = title
    return Document(source, sections_at(built.text, headings), metadata, package.warnings)


def _with_title(headings: Sequence[Heading]) -> list[Heading]:
    """Returns the headings, those below a title one level deeper than Word has them."""
    down = 1 if any(heading.level == TITLE_LEVEL for heading in headings) else 0
    return [replace(it, level=min(it.level + down, MAX_HEADING_LEVEL)) for it in headings]


class _Reader:
    def __init__(self, styles: Mapping[str, _Style], notes: Mapping[tuple[str, str], str]) -> None:
        self.built = BlockText()
        self._styles = styles
        self._notes = notes

    def read(self, container: Element) -> None:
        """Adds the blocks of a container."""
        for block in _inside(container, _PARAGRAPH, _TABLE):
            if block.tag == _PARAGRAPH:
                self._paragraph(block)
            else:
                self._table(block)

    def _paragraph(self, paragraph: Element) -> None:
        style = _style_of(paragraph, self._styles)
        inline = _inline(paragraph)
        if style.contents:
            return
        if style.level is not None:
            self.built.heading(inline.text, style.level)
        elif style.listed:
            self.built.item(inline.text, _depth(paragraph))
        else:
            self.built.paragraph(inline.text)
        for box in inline.boxes:
            self.read(box)
        for note in inline.notes:
            self.built.paragraph(self._notes.get(note, ""))

    def _table(self, table: Element) -> None:
        rows = [list(_inside(row, _CELL)) for row in _inside(table, _ROW)]
        if len(rows) == 1 and len(rows[0]) == 1:
            self.read(rows[0][0])
            return
        notes: list[tuple[str, str]] = []
        self.built.table([[text for cell in row for text in _cell(cell, notes)] for row in rows])
        for note in notes:
            self.built.paragraph(self._notes.get(note, ""))


def _inside(container: Element, *tags: str) -> Iterator[Element]:
    """Yields the elements with one of the tags that stand in a container, in order, but not those in one another."""
    stack = list(reversed(container))
    while stack:
        element = stack.pop()
        if element.tag in tags:
            yield element
        elif element.tag in _AROUND:
            stack.extend(reversed(element))


def _inline(paragraph: Element) -> _Inline:
    pieces: list[str] = []
    boxes: list[Element] = []
    notes: list[tuple[str, str]] = []
    stack = list(reversed(paragraph))
    while stack:
        element = stack.pop()
        tag = element.tag
        if tag in (f"{_W}t", _MATHS):
            pieces.append(element.text or "")
        elif tag in _MARKS:
            pieces.append(_MARKS[tag])
        elif tag == _BOX:
            boxes.append(element)
        elif tag in _REFERENCES:
            notes.append((_REFERENCES[tag], element.get(f"{_W}id", "")))
        elif tag not in _NO_TEXT and not (tag == f"{_W}r" and _is_on(element.find(f"{_W}rPr/{_W}vanish"))):
            stack.extend(reversed(element))
    return _Inline("".join(pieces), tuple(boxes), tuple(notes))


def _cell(cell: Element, notes: list[tuple[str, str]]) -> Iterator[str]:
    """Yields a cell's text, and blanks for the columns that it takes besides its own."""
    merged = cell.find(f"{_W}tcPr/{_W}vMerge")
    yield "" if merged is not None and merged.get(_VALUE) != "restart" else " ".join(_words(cell, notes))
    span = cell.find(f"{_W}tcPr/{_W}gridSpan")
    width = span.get(_VALUE, "1") if span is not None else "1"
    yield from [""] * (min(int(width), MAX_SPAN) - 1 if width.isdecimal() else 0)


def _words(cell: Element, notes: list[tuple[str, str]]) -> Iterator[str]:
    stack = list(reversed(list(_inside(cell, _PARAGRAPH, _TABLE))))
    while stack:
        block = stack.pop()
        if block.tag == _PARAGRAPH:
            inline = _inline(block)
            notes.extend(inline.notes)
            stack.extend(reversed([it for box in inline.boxes for it in _inside(box, _PARAGRAPH, _TABLE)]))
            yield inline.text
        else:
            cells = [it for row in _inside(block, _ROW) for it in _inside(row, _CELL)]
            stack.extend(reversed([it for inner in cells for it in _inside(inner, _PARAGRAPH, _TABLE)]))


def _style_of(paragraph: Element, styles: Mapping[str, _Style]) -> _Style:
    named = paragraph.find(f"{_W}pPr/{_W}pStyle")
    style = styles.get(named.get(_VALUE, ""), _Style()) if named is not None else _Style()
    return _with(style, paragraph.find(f"{_W}pPr"))


def _styles(root: Element) -> dict[str, _Style]:
    elements = {element.get(f"{_W}styleId", ""): element for element in root.findall(f"{_W}style")}
    resolved: dict[str, _Style] = {}
    for name in elements:
        chain: list[str] = []
        while name in elements and name not in chain and name not in resolved:
            chain.append(name)
            based_on = elements[name].find(f"{_W}basedOn")
            name = based_on.get(_VALUE, "") if based_on is not None else ""
        style = resolved.get(name, _Style())
        for below in reversed(chain):
            style = resolved[below] = _styled(style, elements[below])
    return resolved


def _styled(base: _Style, element: Element) -> _Style:
    named = element.find(f"{_W}name")
    name = named.get(_VALUE, "").lower() if named is not None else ""
    found = _HEADING.fullmatch(name)
    level = TITLE_LEVEL if name == "title" else max(1, int(found[1])) if found else base.level
    return _with(_Style(level, base.listed, name.startswith("toc ")), element.find(f"{_W}pPr"))


def _with(style: _Style, properties: Element) -> _Style:
    """Returns the style as a paragraph's own properties change it."""
    if properties is None:
        return style
    level, listed = style.level, style.listed
    outline, number = properties.find(f"{_W}outlineLvl"), properties.find(f"{_W}numPr/{_W}numId")
    if outline is not None and outline.get(_VALUE, "").isdecimal():
        level = int(outline.get(_VALUE)) + 1 if int(outline.get(_VALUE)) < BODY_LEVEL else None
    if number is not None:
        listed = number.get(_VALUE) != "0"
    return _Style(level, listed, style.contents)


def _depth(paragraph: Element) -> int:
    depth = paragraph.find(f"{_W}pPr/{_W}numPr/{_W}ilvl")
    value = depth.get(_VALUE, "") if depth is not None else ""
    return min(int(value), BODY_LEVEL) if value.isdecimal() else 0


def _is_on(switch: Element) -> bool:
    return switch is not None and switch.get(_VALUE, "1").lower() not in _OFF


def _notes(part: Element) -> dict[tuple[str, str], str]:
    """Returns the texts of the footnotes and endnotes, by kind and id."""
    parse_xml = require("docx.oxml", extra="office").parse_xml
    texts: dict[tuple[str, str], str] = {}
    for relation in part.rels.values():
        kind = relation.reltype.removeprefix(_NOTES).removesuffix("s")
        if kind not in _REFERENCES.values() or relation.is_external:
            continue
        for note in parse_xml(relation.target_part.blob).findall(f"{_W}{kind}"):
            if note.get(f"{_W}type") is None:  # the others are separators
                words = (_inline(it).text.strip() for it in _inside(note, _PARAGRAPH))
                texts[kind, note.get(f"{_W}id", "")] = " ".join(word for word in words if word)
    return texts

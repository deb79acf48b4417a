"""Markdown: sections by headings, the text verbatim."""

from __future__ import annotations

import re
from itertools import accumulate, pairwise

from .document import Document
from .sections import Heading, first_title, sections_at
from .text import decode

__all__ = ["read_markdown"]

# At the very top of the file only; elsewhere "---" is a rule, or underlines a heading.
_FRONT_MATTER = re.compile(
    r"\ufeff?---[ \t]*\n(?:(?!---[ \t]*$|\.\.\.[ \t]*$).*\n)*+(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.MULTILINE
)
_FRONT_TITLE = re.compile(r"^title:[ \t]*([\"']?)(.+?)\1[ \t]*$", re.MULTILINE)
_MAY_BE_HEADING = re.compile(r"^ {0,3}(?:#{1,6}(?:[ \t]|$)|=+[ \t]*$|-+[ \t]*$)", re.MULTILINE)
_ANCHOR = re.compile(r"\s*\{#[\w-]+\}\s*$")  # "Feeding {#feeding}"
MAX_TITLE_CHARS = 300  # a longer heading is a paragraph in disguise, and only its beginning is worth a path


def read_markdown(raw: bytes, source: str) -> Document:
    """Returns the file cut at its headings; each section is a verbatim slice of the decoded file.

    Headings are what CommonMark says: a "#" in a code block is none, an underlined line is one. YAML front matter is
    text before the first heading. `title` is the first heading of level 1, or else the front matter's.

    Args:
        raw: The whole file.
        source: Its absolute path.
    """
    text, warning = decode(raw)
    front = _FRONT_MATTER.match(text)
    body_start = front.end() if front else 0
    headings = _headings(text, body_start)
    title = first_title(headings) or _front_title(front)
    return Document(
        source,
        sections_at(text, headings),
        metadata={"title": title} if title else {},
        warnings=(warning,) if warning else (),
    )


def _headings(text: str, body_start: int) -> list[Heading]:
    from markdown_it import MarkdownIt

    if not _MAY_BE_HEADING.search(text, body_start):
        return []
    # Only blocks are parsed, so a file costs one pass; a definition of a link reference can't be a heading.
    blocks = MarkdownIt("commonmark").disable(["inline", "reference"])
    inlines = MarkdownIt("commonmark")
    body = text[body_start:]
    starts = [body_start, *(body_start + end for end in accumulate(len(line) + 1 for line in body.split("\n")))]
    tokens = blocks.parse(body)
    headings: list[Heading] = []
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open" and opening.level == 0 and opening.map is not None:
            first, behind = opening.map
            children = inlines.parseInline(content.content[:MAX_TITLE_CHARS])[0].children or []
            words = "".join(" " if child.type.endswith("break") else child.content for child in children)
            title = _ANCHOR.sub("", " ".join(words.split()))
            end = min(starts[behind], len(text))
            headings.append(Heading(starts[first], end, int(opening.tag[1]), title))
    return headings


def _front_title(front: re.Match[str] | None) -> str | None:
    found = _FRONT_TITLE.search(front[0]) if front else None
    return found[2].strip() if found else None

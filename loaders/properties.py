"""The title and the author that a file says it has."""

from __future__ import annotations

import re

from .node import MetadataValue
from .text import clean

__all__ = ["named_properties"]

# What programs write where an author named nothing.
_UNNAMED = re.compile(
    r"(?:untitled(?: document)?|document ?\d*|microsoft word|word document|slide 1|powerpoint presentation|"
    r"anonymous|unknown|unspecified|python-docx|openpyxl)\Z",
    re.IGNORECASE,
)
_PROGRAM = re.compile(r"^Microsoft (?:Word|PowerPoint|Excel) - ")
MAX_METADATA_CHARS = 500  # a longer title or author is an accident


def named_properties(title: str | None, author: str | None) -> dict[str, MetadataValue]:
    """Returns `title` and `author` as metadata, each only where it names something.

    Args:
        title: The title in the file's properties.
        author: The author in them.
    """
    folded = [" ".join(clean(value or "").split()) for value in (title, author)]
    named = {"title": _PROGRAM.sub("", folded[0]), "author": folded[1]}
    return {key: value[:MAX_METADATA_CHARS] for key, value in named.items() if value and not _UNNAMED.match(value)}

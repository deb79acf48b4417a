"""Text of documents and file names inside Markdown that a notebook or a web page renders."""

from __future__ import annotations

import re

from ..retrievers.shading import shown_text

__all__ = ["BARE_ADDRESS", "entity", "plain_markdown"]

# What starts a bare address where a renderer links those: "https://", "www." and an e-mail's "@".
BARE_ADDRESS = r":(?=//)|(?<=www)\.|(?<=[\w.+-])@(?=\w)"
_BARE = re.compile(BARE_ADDRESS, re.IGNORECASE)
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>!|&#+~$])")


def plain_markdown(text: str) -> str:
    """Returns Markdown that shows a text letter by letter, in one line: no tag, link or image of it is rendered."""
    escaped = _MARKUP.sub(r"\\\1", shown_text(" ".join(text.split())))
    return _BARE.sub(lambda match: entity(match[0]), escaped)


def entity(char: str) -> str:
    """Returns a character as HTML writes it by its number."""
    return f"&#{ord(char)};"

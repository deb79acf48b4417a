"""What of a node is indexed: its text under one line of context."""

from __future__ import annotations

from .node import Metadata, Node

__all__ = ["context_line", "indexed_text"]

SEPARATOR = " > "
PART_CHARS = 80  # a heading longer than this is a paragraph in disguise
LINE_CHARS = 200  # about 50 tokens: a fifth of the default chunk


def context_line(metadata: Metadata) -> str:
    """Returns where a text stands, such as "Ball pythons > Care guide > Feeding", or "" when nothing is known.

    The document's `title`, then its `header_path`. What the path repeats of the title is said once. Parts over 80
    characters are cut, and parts between the first and the last are left out where the line would pass 200.

    Args:
        metadata: A node's or a section's over its document's.
    """
    title, path = metadata.get("title"), metadata.get("header_path")
    parts = [part.strip() for part in path.split(SEPARATOR)] if isinstance(path, str) else []
    if isinstance(title, str):
        parts = [title.strip(), *parts]
    bounded = [_bounded(" ".join(part.split())) for part in parts if part]
    distinct = [part for at, part in enumerate(bounded) if at == 0 or part.casefold() != bounded[at - 1].casefold()]
    while len(distinct) > 2 and len(SEPARATOR.join(distinct)) > LINE_CHARS:
        del distinct[1]
    return SEPARATOR.join(distinct)


def indexed_text(node: Node) -> str:
    """Returns what retrievers index and encode for a node: its context line, a newline and its text.

    The text alone, when there is no context or the text begins with it (a first chunk often begins with its heading).

    Args:
        node: A chunk or a page.
    """
    line = context_line(node.metadata)
    if not line:
        return node.text
    head = " ".join(node.text[: 2 * len(line) + PART_CHARS].lstrip("#*_ \t\n").split())
    return node.text if head.casefold().startswith(line.casefold()) else f"{line}\n{node.text}"


def _bounded(part: str) -> str:
    return part if len(part) <= PART_CHARS else part[: PART_CHARS - 1].rstrip() + "…"

"""From documents to nodes: sentences packed evenly into chunks of a bounded number of tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InvalidArgumentError
from .document import Document, Section
from .indexed_text import context_line
from .node import Kind, Metadata, Node, document_id, freeze_metadata, node_id
from .packing import CountTokens, Span, cut_texts

__all__ = [
    "DEFAULT_CHUNK_OVERLAP",
    "DEFAULT_CHUNK_SIZE",
    "Chunker",
    "CountTokens",
    "default_count_tokens",
    "to_nodes",
]

DEFAULT_CHUNK_SIZE = 254  # the 256 tokens of the default embedding model, less its two markers
DEFAULT_CHUNK_OVERLAP = 16  # a short sentence
MIN_CHUNK_SIZE = 8  # fewer tokens can't hold a sentence of any language

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W{_CJK}]{{1,12}}|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Chunker:
    """How texts are cut.

    Args:
        count_tokens: Takes texts and returns how many tokens each has, special tokens not counted. It is called with
            many texts at a time.
        chunk_size: The most tokens a chunk has, its context line counted. At least 8.
        chunk_overlap: The most tokens that a chunk repeats of the one before. At most half of `chunk_size`.

    Raises:
        InvalidArgumentError: A size is outside its bounds.
    """

    count_tokens: CountTokens
    chunk_size: int = DEFAULT_CHUNK_SIZE
    chunk_overlap: int = DEFAULT_CHUNK_OVERLAP

    def __post_init__(self) -> None:
        if self.chunk_size < MIN_CHUNK_SIZE:
            raise InvalidArgumentError(f"chunk_size must be at least {MIN_CHUNK_SIZE}, got {self.chunk_size}")
        if not 0 <= self.chunk_overlap <= self.chunk_size // 2:
            raise InvalidArgumentError(
                f"chunk_overlap must be at least 0 and at most half of chunk_size ({self.chunk_size // 2}), "
                f"got {self.chunk_overlap}"
            )


def default_count_tokens(texts: Sequence[str]) -> list[int]:
    """Returns how many words, punctuation marks and CJK characters each text has: a model-free estimate of tokens."""
    return [len(_TOKEN.findall(text)) for text in texts]


def to_nodes(document: Document, chunker: Chunker) -> list[Node]:
    """Returns the document's nodes in reading order: a page's own node, then its chunks; the chunks of each section.

    A chunk and its context line (`indexed_text`) stay within `chunk_size` tokens together, as long as the line takes
    at most half of it. A page without text has its page node and no chunk.

    Args:
        document: What a loader read.
        chunker: How it is cut.
    """
    metadata = [freeze_metadata(document.metadata_of(section)) for section in document.sections]
    budgets = _budgets([context_line(entry) for entry in metadata], chunker)
    texts = [section.text for section in document.sections]
    cuts = cut_texts(texts, budgets, chunker.count_tokens, overlap=chunker.chunk_overlap)
    nodes: list[Node] = []
    for section, entry, spans in zip(document.sections, metadata, cuts, strict=True):
        if section.page is not None:
            nodes.append(_node(document, section, entry, "page", (0, len(section.text))))
        nodes.extend(_node(document, section, entry, "chunk", span) for span in spans)
    return nodes


def _node(document: Document, section: Section, metadata: Metadata, kind: Kind, span: Span) -> Node:
    owner = document_id(document.source)
    text = section.text[span[0] : span[1]]
    start = section.start_char + span[0]
    return Node(
        id=node_id(owner, section.page, kind, start, text),
        document_id=owner,
        source=document.source,
        page=section.page,
        kind=kind,
        text=text,
        start_char=start,
        end_char=start + len(text),
        metadata=metadata,
    )


def _budgets(lines: Sequence[str], chunker: Chunker) -> list[int]:
    distinct = sorted({line for line in lines if line})
    counts = chunker.count_tokens([f"{line}\n" for line in distinct]) if distinct else []
    tokens = dict(zip(distinct, counts, strict=True))
    return [max(chunker.chunk_size - tokens.get(line, 0), chunker.chunk_size // 2) for line in lines]

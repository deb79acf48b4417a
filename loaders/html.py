"""HTML: the main text of a page, block by block, in sections by headings."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import LimitExceededError
from .document import Document
from .html_text import TextBuilder, extract
from .sections import first_title, sections_at
from .text import clean, decode

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser

__all__ = ["read_html"]

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
META_BYTES = 1024  # where the HTML standard has parsers look for the charset
# Comments, and elements whose content is no markup, are taken whole. What is never closed runs to the end of the page,
# as the standard has it, so nothing is looked at twice.
_TAG = re.compile(
    r"""
    <!-- (?: -?> | .*? (?: --!?> | \Z) )
  | <(?P<raw>script|style|textarea|title|xmp|iframe|noembed|noframes) (?=[\s/>]) .*? (?: </(?P=raw)[\s/>] | \Z)
  | <(?P<end>/?) (?P<name>[a-z][^\s/>]*+) (?: [^>=]++ | =\s*+ (?: "[^"]*+" | '[^']*+' )?+ )*+ (?: > | \Z)
    """,
    re.VERBOSE | re.ASCII | re.IGNORECASE | re.DOTALL,
)
# Their end tags may be left out, or they have none, so that many of them are no depth.
_FLAT_WORDS = (
    "p li dt dd tr td th thead tbody tfoot colgroup option optgroup rp rt html head body area base br col embed hr img "
    "input link meta param source track wbr"
)
_FLAT = frozenset(_FLAT_WORDS.split())
MAX_DEPTH = 1_000  # browsers stop nesting at 512; at 100,000 levels the standard's algorithm takes 20 s
MAIN_SHARE = 0.4  # <main> or <article> with less of the page's text than this is one teaser among many
MIN_MAIN_CHARS = 200
MAX_CANDIDATES = 50  # nested ones would make the choice quadratic


def read_html(raw: bytes, source: str) -> Document:
    """Returns the page's main text in sections by its headings; offsets are in the extracted text.

    Scripts, navigation, banners, footers, forms and hidden parts are left out, and so is what stands around <main> or
    <article> where that holds a good share of the text. Paragraphs are set apart by a blank line, list items begin
    with "- ", table cells are joined with " | ", preformatted text is kept.

    Args:
        raw: The whole file.
        source: Its absolute path.

    Raises:
        LimitExceededError: The tree of the page does not fit into memory.
    """
    text, warning = _decode(raw)
    tree = _parse(_flattened(text), source)
    built = _main_text(tree)
    title = _title(tree) or first_title(built.headings)
    return Document(
        source,
        sections_at(built.text, built.headings),
        metadata={"title": title} if title else {},
        warnings=(warning,) if warning else (),
    )


def _parse(text: str, source: str) -> LexborHTMLParser:
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError

    try:
        return LexborHTMLParser(text)
    except SelectolaxError as err:  # every text is some HTML, so only memory can run out
        raise LimitExceededError("parsing the page takes more memory than allowed: split it", source=source) from err


def _decode(raw: bytes) -> tuple[str, str | None]:
    found = _META_CHARSET.search(raw[:META_BYTES])
    if found and not raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        name = found[1].decode("ascii", "replace").lower()
        # The standard reads these labels as windows-1252.
        encoding = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252"}.get(name, name)
        with suppress(LookupError, ValueError):
            if b"<meta>".decode(encoding) == "<meta>":  # the tag was found as ASCII, so this can't be UTF-16
                return clean(raw.decode(encoding)), None
        text, warning = decode(raw)
        return text, warning or f"the page says that its encoding is {name}, but it is not: it was read as UTF-8"
    return decode(raw)


def _flattened(text: str) -> str:
    """Returns the page without the tags that stand deeper than `MAX_DEPTH`; their text stays."""
    if text.count("<") <= MAX_DEPTH:
        return text
    depth = 0

    def keep(tag: re.Match[str]) -> str:
        """Returns the tag, or a blank for one that stands too deep."""
        nonlocal depth
        name = tag["name"]
        if name is None or name.lower() in _FLAT or tag[0].endswith("/>"):
            return tag[0]
        if tag["end"]:
            depth = max(0, depth - 1)
            return tag[0] if depth < MAX_DEPTH else " "
        depth += 1
        return tag[0] if depth <= MAX_DEPTH else " "

    return _TAG.sub(keep, text)


def _main_text(tree: LexborHTMLParser) -> TextBuilder:
    root = tree.body or tree.root
    if root is None:
        return TextBuilder()
    whole = extract(root)
    if not whole.text:
        return extract(root, lenient=True)  # some frameworks put the whole page into one <form>
    candidates = [extract(node) for node in tree.css("main, article, [role=main]")[:MAX_CANDIDATES]]
    best = max(candidates, key=lambda built: len(built.text), default=whole)
    enough = len(best.text) >= max(MIN_MAIN_CHARS, MAIN_SHARE * len(whole.text))
    return best if enough else whole


def _title(tree: LexborHTMLParser) -> str | None:
    node = tree.css_first("head title")
    return " ".join(node.text().split()) or None if node is not None else None

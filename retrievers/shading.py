"""The picture of an explanation: the text with what matched shaded, over a table with bars. HTML that loads nothing.

Styles stand in the tags, so that notebooks that strip style sheets show it too, and every colour is a tint over what is
behind it: the text keeps the page's own colour and can be read on a light and on a dark page. What is shaded is
underlined as well, and the table says in numbers what the shades say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from .explanation import Explanation, Part

__all__ = ["html_box", "html_page", "html_table", "html_text", "picture", "shown_text"]

BLUE = "31,119,220"  # 4.4 : 1 on white and on black: above the 3 : 1 that WCAG 2.2, 1.4.11 asks of a bar
FAINTEST, STRONGEST = 0.08, 0.50  # text keeps 7 : 1 over the strongest shade, black on white and white on black alike
MAX_ROWS = 100  # more can't be looked over; the shades show all
MAX_NOTES = 8  # matches named in the note of one shade
CELL_CHARS = 90
UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
ROUNDING = 0.0005  # a rest that would be shown as 0.0%
BAR_EM = 9

BOX = "font-family:system-ui,sans-serif;font-size:14px;line-height:1.5;max-width:760px;text-align:left"
TEXT = (
    "white-space:pre-wrap;overflow-wrap:anywhere;margin:6px 0 10px;padding:4px 12px;line-height:1.7;"
    "border-left:3px solid rgba(128,128,128,.5)"
)
CELL = "text-align:left;vertical-align:top;padding:1px 16px 1px 0;border:0;background:none"
HEAD = f"{CELL};font-weight:600;white-space:nowrap;border-bottom:1px solid rgba(128,128,128,.5)"
WORDY = "overflow-wrap:anywhere"
NUMBER = "white-space:nowrap;text-align:right;font-variant-numeric:tabular-nums"
DIM = "opacity:.7"
POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # should a tag ever slip through, it loads and runs nothing


@dataclass(frozen=True, slots=True)
class _Words:
    """What a method's picture says."""

    title: str
    total: str
    heads: tuple[str, ...]
    shades: str


WORDS = {
    "bm25": _Words(
        "words and their weights",
        "Sum of the weights",
        ("query", "in the text", "weight", "share of the score"),
        "Words of the query, shaded by their share of the score.",
    ),
    "leave-one-out": _Words(
        "sentences left out one by one",
        "Cosine",
        ("sentence", "cosine falls by", "share of all falls"),
        "Sentences, shaded by how far the cosine falls without them.",
    ),
    "maxsim": _Words(
        "tokens and their matches",
        "Sum of the similarities",
        ("query", "match in the text", "similarity", "share of the score"),
        "Tokens, shaded by the share of the score that they carry.",
    ),
}
OTHER = _Words("parts of the score", "Score", ("query", "in the text", "similarity", "share of the score"), "")


def picture(explanation: Explanation, *, stage: str = "") -> str:
    """Returns an explanation as HTML: a heading, the shaded text, and a table of the parts.

    Args:
        explanation: What to show. Whatever its texts hold is shown as text.
        stage: The stage's name, for the heading.
    """
    words = WORDS.get(explanation.method, OTHER)
    title = " · ".join(escape(it) for it in (stage or explanation.method, words.title) if it)
    heading = (
        f'<div style="font-weight:600">{title}</div>'
        f'<div style="{DIM}">{words.total}: {explanation.total:.3f}. {words.shades}</div>'
    )
    text = f'<div dir="auto" style="{TEXT}">{_shaded(explanation)}</div>' if explanation.text else ""
    table = (
        _table(explanation, words) if explanation.parts else f'<div style="{DIM}">Nothing of the query matched.</div>'
    )
    return html_box(f"{heading}{text}{table}")


def html_box(content: str) -> str:
    """Returns HTML in the font and the width of these pictures."""
    return f'<div style="{BOX}">{content}</div>'


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """Returns a table.

    Args:
        heads: What stands above the columns, as text.
        rows: Cells, as HTML.
        numbers: The columns that are aligned to the right.
    """

    def cell(tag: str, style: str, column: int, content: str) -> str:
        return f'<{tag} dir="auto" style="{style};{NUMBER if column in numbers else WORDY}">{content}</{tag}>'

    head = "".join(cell("th", HEAD, column, html_text(it)) for column, it in enumerate(heads))
    body = "".join(
        f'<tr style="background:none">{"".join(cell("td", CELL, at, it) for at, it in enumerate(row))}</tr>'
        for row in rows
    )
    style = "border-collapse:collapse;margin:0 0 8px;font-size:13px;border:0"
    return f'<table style="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def html_text(text: str) -> str:
    """Returns a text as HTML that shows it letter by letter; see `shown_text`."""
    return escape(shown_text(text))


def shown_text(text: str) -> str:
    """Returns a text without what can't be shown, or would change how what follows is: each becomes U+FFFD.

    These are control characters, halves of surrogate pairs, and marks that override the direction of writing.
    """
    return UNSHOWN.sub("\ufffd", text)


def html_page(title: str, body: str) -> str:
    """Returns a whole page in UTF-8, light or dark as its reader's browser is.

    Args:
        title: As text.
        body: As HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{html_text(title)}</title></head>"
        f'<body style="margin:20px auto;max-width:760px;padding:0 16px">{body}</body></html>\n'
    )


def _shaded(explanation: Explanation) -> str:
    stretches = list(_stretches(explanation))
    greatest = max((_shade(parts) for _, parts in stretches), default=0.0)
    return "".join(
        _mark(html_text(piece), parts, _shade(parts) / greatest if greatest > 0 else 0.0, explanation.method)
        if parts
        else html_text(piece)
        for piece, parts in stretches
    )


def _stretches(explanation: Explanation) -> Iterator[tuple[str, list[Part]]]:
    """Yields the text in pieces, each with the parts that stand there."""
    text = explanation.text
    spans = [
        (start, end, number)
        for number, part in enumerate(explanation.parts)
        for start, end in part.spans
        if 0 <= start < end <= len(text)
    ]
    events: dict[int, list[tuple[int, int]]] = {0: [], len(text): []}
    for start, end, number in spans:
        events.setdefault(start, []).append((number, 1))
        events.setdefault(end, []).append((number, -1))
    active: dict[int, int] = {}
    borders = sorted(events)
    for start, end in pairwise(borders):
        for number, change in events[start]:
            active[number] = active.get(number, 0) + change
            if not active[number]:
                del active[number]
        yield text[start:end], [explanation.parts[number] for number in sorted(active)]


def _shade(parts: Sequence[Part]) -> float:
    return sum(max(part.share, 0.0) for part in parts)


def _mark(content: str, parts: Sequence[Part], strength: float, method: str) -> str:
    style = "color:inherit;background:none"
    if strength > 0:
        alpha = FAINTEST + (STRONGEST - FAINTEST) * strength
        style = (
            f"color:inherit;background:rgba({BLUE},{alpha:.2f});border-radius:3px;padding:1px 0;"
            f"border-bottom:2px solid rgba({BLUE},{2 * alpha:.2f})"
        )
    named = "; ".join(_note(part, method) for part in parts[:MAX_NOTES])
    return f'<mark title="{html_text(named)}" style="{style}">{content}</mark>'


def _note(part: Part, method: str) -> str:
    asked = "" if method == "leave-one-out" else f"{_short(part.query_part)}: "
    return f"{asked}{part.similarity:.3f}, {part.share:.1%}"


def _table(explanation: Explanation, words: _Words) -> str:
    parts = explanation.parts[:MAX_ROWS]
    greatest = max(part.share for part in parts)
    rows = [_row(part, explanation.method, part.share / greatest if greatest > 0 else 0.0) for part in parts]
    blanks = [""] * (len(words.heads) - 2)
    if left := len(explanation.parts) - len(rows):
        rows.append([f'<span style="{DIM}">and {left} more</span>', *blanks, ""])
    if explanation.rest > ROUNDING:
        rest = f"{explanation.rest:.1%}"
        rows.append([f'<span style="{DIM}">{cell}</span>' for cell in ("special tokens", *blanks, rest)])
    return html_table(words.heads, rows, numbers=[len(words.heads) - 2])


def _row(part: Part, method: str, length: float) -> list[str]:
    number, bar = f"{part.similarity:.3f}", _bar(part.share, length)
    if method == "leave-one-out":
        return [html_text(_short(part.node_part)), number, bar]
    asked = html_text(_short(part.query_part))
    if part.term:
        asked += f' <span style="{DIM}">({html_text(_short(part.term))})</span>'
    found = html_text(_short(part.node_part)) if part.node_part else f'<span style="{DIM}">not in the text</span>'
    return [asked, found, number, bar]


def _bar(share: float, length: float) -> str:
    """Returns a bar, as long as the share beside the greatest one, and the share in numbers."""
    width = max(0.0, min(length, 1.0)) * BAR_EM
    style = f"display:inline-block;height:.7em;width:{width:.2f}em;margin-right:.5em;background:rgb({BLUE})"
    bar = f'<span style="{style}"></span>' if width else ""
    return f'<span style="white-space:nowrap">{bar}{share:.1%}</span>'


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= CELL_CHARS else one_line[: CELL_CHARS - 1].rstrip() + "…"

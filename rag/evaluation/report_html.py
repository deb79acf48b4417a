"""A comparison as a page of HTML that loads nothing: what to take, the picture, the figures."""

from __future__ import annotations

from collections.abc import Sequence

from ...loaders.node import LoadFailure
from ...retrievers.shading import DIM, html_box, html_page, html_table, html_text
from .comparison import Comparison, Row
from .result import percentile
from .scatter import Point, scatter
from .significance import ALPHA

__all__ = ["report_html"]

HEADS = ("configuration", "nDCG@10", "gain", "p", "R@100", "p50 ms", "p95 ms", "kB/doc")  # short: names need the room
BROKEN = "overflow-wrap:anywhere"  # a path is one word
WIDE = "overflow-x:auto"  # on a small screen it is moved in its box, and the page is not
NAME = "min-width:11em"
HEADING = "font-size:17px;font-weight:600;margin:24px 0 6px"
TESTED = (
    f"p is of a paired randomization test over the queries, corrected for the number of rows by Holm's method; below "
    f"{ALPHA} it is bold. Times are of one query after another on this machine, from text to hits, encoding "
    "included, models loaded"
)
PICTURED = (
    "Up and to the left is better. The area of a point is its bytes a document; blue is what is recommended. Where "
    "points crowd, pointing at one shows its name."
)
LEAST_MS = 1e-3  # the clock's grain: the logarithm needs more than 0


def report_html(comparison: Comparison) -> str:
    """Returns the page, light or dark as its reader's browser is; no script, nothing fetched.

    Args:
        comparison: From `compare`.
    """
    choice = comparison.recommendation.choice
    points = [
        Point(row.name, max(row.p50_ms, LEAST_MS), row.quality, row.bytes_per_document, row.name == choice)
        for row in comparison.rows
    ]
    parts = [
        f'<h1 style="font-size:22px;margin:0 0 4px;{BROKEN}">{html_text(comparison.corpus)}</h1>',
        f'<div style="{DIM}">{html_text(_facts(comparison))}</div>',
        _heading("What to take"),
        f'<p style="{BROKEN}">{html_text(str(comparison.recommendation))}</p>',
        _heading("Quality against latency"),
        f'<div style="{WIDE}">{scatter(points)}</div>',
        _note(PICTURED),
        _heading("Figures"),
        _table(comparison.rows, comparison.baseline),
        _note(f"Gain is the difference in nDCG@10 to {comparison.baseline}, in points of 100. {_tested(comparison)}"),
    ]
    if comparison.sweep:
        parts += [_heading("What storing vectors otherwise costs"), _table(comparison.sweep, None)]
        parts.append(_note("Gain is the difference to the first row of the same retriever. Searched alone."))
    if oddities := [*map(str, comparison.remarks), *map(_failed, comparison.failed)]:
        parts.append(_heading("What was odd about the corpus"))
        parts += [f'<div style="{BROKEN}">{html_text(words)}</div>' for words in oddities]
    return html_page(f"Comparison: {comparison.corpus}", html_box("".join(parts)))


def _facts(comparison: Comparison) -> str:
    built = "" if comparison.index_seconds is None else f", indexed in {comparison.index_seconds:.1f} s"
    others = f"; {comparison.unanswerable:,} unanswerable ones were not asked" if comparison.unanswerable else ""
    return (
        f"{comparison.documents:,} documents in {comparison.chunks:,} chunks{built}; {comparison.queries:,} queries, "
        f"{comparison.top_k} hits each{others}"
    )


def _tested(comparison: Comparison) -> str:
    some = "" if comparison.timed == comparison.queries else f", of {comparison.timed:,} of the queries"
    return f"{TESTED}{some}."


def _failed(failure: LoadFailure) -> str:
    place = failure.source if failure.page is None else f"{failure.source}, page {failure.page}"
    return f"not read: {place}: {failure.reason}"


def _heading(words: str) -> str:
    return f'<h2 style="{HEADING}">{html_text(words)}</h2>'


def _note(words: str) -> str:
    return f'<div style="{DIM}">{html_text(words)}</div>'


def _table(rows: Sequence[Row], baseline: str | None) -> str:
    cells = [_cells(row, baseline) for row in rows]
    return f'<div style="{WIDE}">{html_table(HEADS, cells, numbers=range(1, len(HEADS)))}</div>'


def _cells(row: Row, baseline: str | None) -> list[str]:
    means = row.means
    name = f"{row.name} (baseline)" if row.name == baseline else row.name
    gain = "" if row.gain is None else f"{100 * row.gain:+.1f}"
    p = "" if row.p is None else f"<b>{row.p:.4f}</b>" if row.p < ALPHA else f"{row.p:.4f}"
    return [
        f'<div style="{NAME}">{html_text(name)}</div>',
        f"{row.quality:.4f}",
        gain,
        p,
        f"{means['recall@100']:.4f}",
        f"{row.p50_ms:.1f}",
        f"{percentile(row.milliseconds.values(), 95):.1f}",
        f"{row.bytes_per_document / 1e3:,.1f}",
    ]

"""`lateral explain`: why a passage was found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...output_file import check_free, write_file
from .flags import FusionFlag, IndexFlag, JsonFlag, RerankDepthFlag, RerankFlag, WhereFlag

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ...rag.hit_explanation import HitExplanation
    from ...retrievers.explanation import Explanation, Part

__all__ = ["explain"]

MAX_RANK_DIGITS = 9  # what is longer and only digits is a node's id
WIDTH, LEAST_WIDTH = 80, 64  # columns: longer lines are hard to follow
BAR_CHARS = 12
EXCERPT_CHARS = 230  # three lines
ROUNDING = 0.0005  # a rest that would be shown as 0.0%
LISTED = 40  # parts; --json and --html have all
HEADS = {
    "bm25": ("query", "in the text", "weight", "share"),
    "leave-one-out": ("sentence", "cosine falls by", "share"),
    "maxsim": ("query", "match", "similarity", "share"),
}
TOTALS = {"bm25": "sum of weights", "leave-one-out": "cosine", "maxsim": "sum of similarities"}


def explain(
    query: Annotated[str, typer.Argument(help="A question or keywords.", show_default=False)],
    node: Annotated[
        str, typer.Argument(help="A hit's rank, or a node's id, as `search --json` prints it.", show_default=True)
    ] = "1",
    index: IndexFlag = None,
    where: WhereFlag = None,
    fusion: FusionFlag = None,
    rerank: RerankFlag = None,
    rerank_depth: RerankDepthFlag = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the picture to this HTML file.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print why a passage was found: its rank and score at every stage, and what each score is made of."""
    from .building import build_rag
    from .output import print_json, waiting
    from .settings import load_settings
    from .where import parse_where

    if html is not None:
        check_free(html, force=force, flag="--html")
    flags = {"fusion": fusion, "rerank": rerank, "rerank_depth": rerank_depth}
    settings = load_settings({"index": index, **flags})
    with (
        build_rag(settings, flags, reranking=True) as rag,
        waiting("Searching and explaining ...", off=as_json),
    ):
        found = rag.explain(query, _rank_or_id(node), top_k=settings.top_k, where=parse_where(where))
    if html is not None:
        write_file(html, found.as_html(), force=force, flag="--html")
    if as_json:
        print_json({**found.as_dict(), **({} if html is None else {"html": str(html.absolute())})})
    else:
        _print(found)
        if html is not None:
            typer.echo(f"The picture is in {html}")


def _rank_or_id(node: str) -> str | int:
    return int(node) if node.isascii() and node.isdecimal() and len(node) <= MAX_RANK_DIGITS else node


def _print(found: HitExplanation) -> None:
    import textwrap

    from rich.text import Text

    from ...retrievers.shading import shown_text
    from .output import console_of_tables, shortened, show_source

    console = console_of_tables(WIDTH, LEAST_WIDTH)
    console.print(
        Text(shown_text(show_source(found.node.source, found.node.page)), style="bold"),
        Text(found.node.id, style="dim"),
    )
    excerpt = shortened(shown_text(found.node.text), EXCERPT_CHARS)
    console.print(Text(textwrap.indent(textwrap.fill(excerpt, console.width - 3), "   ")))
    console.print()
    rows = [(step.stage, str(step), "" if step.score is None else f"{step.score:.4f}") for step in found.path]
    console.print(_table(("stage", "rank", "score"), rows, wide=0))
    for stage, explanation in found.explanations.items():
        _print_parts(console, stage, explanation)


def _print_parts(console: Console, stage: str, explanation: Explanation) -> None:
    from rich.text import Text

    console.print()
    total = f"{TOTALS.get(explanation.method, 'score')} {explanation.total:.3f}"
    console.print(Text.assemble((stage, "bold"), f": {total}"))
    heads = HEADS.get(explanation.method, ("query", "in the text", "similarity", "share"))
    if explanation.parts:
        console.print(_table(heads, _rows(explanation), wide=len(heads) - 2))
    else:
        console.print("   nothing of the query matched")


def _rows(explanation: Explanation) -> list[tuple[str, ...]]:
    greatest = max(part.share for part in explanation.parts[:LISTED])
    rows = [_row(part, explanation.method, greatest) for part in explanation.parts[:LISTED]]
    blanks = ("",) * (len(rows[0]) - 2)
    if (left := len(explanation.parts) - len(rows)) > 0:
        rows.append((f"and {left} more: --json has them", *blanks, ""))
    if explanation.rest > ROUNDING:
        rows.append(("(special tokens)", *blanks, f"{explanation.rest:6.1%}"))
    return rows


def _row(part: Part, method: str, greatest: float) -> tuple[str, ...]:
    found, number, bar = " ".join(part.node_part.split()), f"{part.similarity:.3f}", _bar(part.share, greatest)
    if method == "leave-one-out":
        return found, number, bar
    asked = " ".join(part.query_part.split())
    return (f"{asked} ({part.term})" if part.term else asked), found or "-", number, bar


def _bar(share: float, greatest: float) -> str:
    """Returns a share in numbers and as a bar, as long as it is beside the greatest one."""
    full = "█" if _shows("█") else "#"
    return f"{share:6.1%} {full * round(max(0.0, share / greatest if greatest > 0 else 0.0) * BAR_CHARS)}"


def _shows(char: str) -> bool:
    try:
        char.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, wide: int) -> Table:
    """Returns a table whose first `wide` columns share the room that the others leave, cut to one line."""
    from rich.table import Table
    from rich.text import Text

    from ...retrievers.shading import shown_text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=wide > 0)
    table.add_column("", width=1)
    for at, head in enumerate(heads):
        is_number = at == len(heads) - (2 if wide else 1)
        width = 7 + BAR_CHARS if wide and at == len(heads) - 1 else None
        table.add_column(
            head,
            header_style="dim",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if at < wide else None,
            justify="right" if is_number else "left",
            width=width,
        )
    for row in rows:
        table.add_row("", *(Text(shown_text(cell)) for cell in row))
    return table

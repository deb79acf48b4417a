"""What commands print: results on stdout, everything about the run on stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from ...rag.answer import Answer
    from ...rag.indexing.ingest import Progress as IngestProgress
    from ...rag.indexing.report import AddReport
    from ...rag.pipeline import OnProgress
    from ...retrievers.hit import Hit

__all__ = [
    "console_of_tables",
    "plain",
    "print_answer_sources",
    "print_hits",
    "print_json",
    "print_report",
    "progress_bar",
    "shortened",
    "show_source",
    "stderr",
    "stdout",
    "tick",
    "waiting",
    "whole_line",
]

EXCERPT_CHARS = 300
CUT = " …"
LISTED = 20  # failures and skipped files named one by one; the rest is counted


def stdout() -> Console:
    """Returns the console of results. Its text is printed as it is: no markup, no guessed highlights."""
    return Console(highlight=False, soft_wrap=True)


def console_of_tables(most: int, least: int) -> Console:
    """Returns the console of results that stand in columns.

    Args:
        most: Columns that it uses of a wide terminal.
        least: Columns that it takes on a narrow one, where lines are broken then: a table would lose names and numbers.
    """
    return Console(highlight=False, width=max(min(Console().width, most), least))


def stderr() -> Console:
    """Returns the console of progress, warnings and errors."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Mapping[str, object]) -> None:
    """Prints one JSON object on stdout, in ASCII, so that no terminal's encoding can break it."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def tick(good: bool) -> str:
    """Returns a mark that the terminal can show."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        "✓✗".encode(encoding)
    except UnicodeEncodeError:
        return "ok" if good else "no"
    return "✓" if good else "✗"


def plain(text: str) -> str:
    """Returns a text that a console prints letter by letter and in one line: names of files may hold anything."""
    from ...retrievers.shading import shown_text

    return escape(shown_text(text.replace("\n", " ")))


def shortened(text: str, chars: int) -> str:
    """Returns a text in one line of at most so many characters, cut between two words where there are some."""
    line = " ".join(text.split())
    if len(line) <= chars:
        return line
    room = chars - len(CUT)
    blank = line.rfind(" ", 0, room + 1)
    return line[: blank if blank > room // 2 else room].rstrip() + CUT


def show_source(source: str, page: int | None = None) -> str:
    """Returns a source as a person reads it: relative to the working directory when it lies below it."""
    below = os.path.relpath(source) if os.path.isabs(source) else source
    shown = source if below.startswith("..") else below
    return shown if page is None else f"{shown}, page {page}"


def print_hits(hits: Sequence[Hit], *, filtered: bool = False) -> None:
    """Prints ranked hits with their trails; where there are none, whether a filter may be why."""
    console = stdout()
    if not hits:
        hint = " Does the filter allow any document? `lateral status` lists them."
        console.print(f"No hits.{hint if filtered else ''}")
    for rank, hit in enumerate(hits, start=1):
        trail = " · ".join(f"{step.stage} #{step.rank} ({step.score:.3f})" for step in hit.trail)
        console.print(
            f"[bold]{rank}. {plain(show_source(hit.node.source, hit.node.page))}[/bold]  [dim]{plain(trail)}[/dim]"
        )
        console.print(textwrap.indent(escape(_excerpt(hit.node.text)), "   "))


def print_answer_sources(answer: Answer) -> None:
    """Prints where each citation points to, and whether its source bears it out."""
    console = stdout()
    if answer.citations:
        console.print()
    places: dict[tuple[int, str], bool] = {}
    for citation in answer.citations:
        place = "no such passage" if citation.source is None else show_source(citation.source, citation.page)
        places[citation.n, place] = places.get((citation.n, place), True) and citation.supported
    for (number, place), supported in sorted(places.items()):
        mark = f"[green]{tick(True)}[/green]" if supported else f"[red]{tick(False)} not all that is claimed[/red]"
        console.print(f"\\[{number}] {plain(place)} {mark}")


def print_report(report: AddReport) -> None:
    """Prints what an add, sync or remove did; failures by name on stderr."""
    stdout().print(report.summary())
    console = stderr()
    shown = [it for it in report.skipped if not it.reason.startswith("hidden")]
    for skipped in shown[:LISTED]:
        console.print(f"[yellow]skipped[/yellow] {plain(show_source(skipped.source))}: {plain(skipped.reason)}")
    if len(shown) > LISTED:
        console.print(f"[yellow]skipped[/yellow] {len(shown) - LISTED} more: --json lists them")
    for source, words in report.warnings:
        console.print(f"[yellow]note[/yellow] {plain(show_source(source))}: {plain(words)}")
    for failure in report.failed:
        place = show_source(failure.source, failure.page)
        console.print(f"[red]failed[/red] {plain(place)}: {plain(failure.reason)}")


@contextmanager
def waiting(what: str, *, off: bool) -> Iterator[None]:
    """Shows on a terminal's stderr what is being waited for."""
    console = stderr()
    if off or not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


@contextmanager
def whole_line() -> Iterator[None]:
    """Ends the line that is printed meanwhile, piece by piece; what is logged meanwhile comes behind it."""
    held: list[logging.LogRecord] = []

    def hold(record: logging.LogRecord) -> bool:
        held.append(record)
        return False

    handlers = list(logging.getLogger("lateral").handlers)
    for handler in handlers:
        handler.addFilter(hold)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(hold)
        typer.echo()
        for record in held:
            for handler in handlers:
                handler.handle(record)


@contextmanager
def progress_bar(*, off: bool) -> Iterator[OnProgress | None]:
    """Gives a function that draws a bar with rate and time left on stderr, None when off or not a terminal."""
    console = stderr()
    if off or not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("documents", total=None, rate="")

        def show(progress: IngestProgress) -> None:
            elapsed = bars.tasks[0].elapsed or 0.0
            rate = f"{progress.nodes / elapsed:.0f} nodes/s" if elapsed > 0 and progress.nodes else ""
            bars.update(task, completed=progress.done, total=progress.total, rate=progress.building or rate)

        yield show


def _excerpt(text: str) -> str:
    from ...retrievers.shading import shown_text

    return shortened(shown_text(" ".join(text.split())), EXCERPT_CHARS)

"""What `status` and `verify` print."""

from __future__ import annotations

from rich.table import Table

from ...rag.indexing.status import IndexStatus, VerifyReport
from .output import LISTED, plain, print_json, show_source, stderr, stdout
from .sizes import shown_bytes

__all__ = ["print_status", "print_verification"]


def print_status(status: IndexStatus, *, as_json: bool) -> None:
    """Prints what an index holds."""
    if as_json:
        print_json(status.as_dict())
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("index", plain(show_source(status.index)))
    table.add_row("documents", f"{status.documents:,}")
    table.add_row("chunks", f"{status.chunks:,} of at most {status.chunk_size} tokens, {status.chunk_overlap} shared")
    table.add_row("pages", f"{status.pages:,}, {status.pages_without_text:,} without text")
    table.add_row("cut passages", f"{status.cut_passages:,}")
    table.add_row("size", shown_bytes(status.bytes))
    if status.writer is not None:
        table.add_row("being written", f"by process {status.writer}")
    for name, settings in status.retrievers.items():
        chosen = ", ".join(f"{key} {value}" for key, value in settings.items())
        table.add_row("retriever", plain(f"{name} ({chosen})"))
    for name, use in status.vectors.items():
        loss = "" if use.format == "float32" else f", {use.loss:.2%} lost"
        table.add_row("vectors", plain(f"{name}: {use.vectors:,} as {use.format}, {shown_bytes(use.bytes)}{loss}"))
        if use.candidates is not None:
            table.add_row("candidates", plain(f"{name}: {use.candidates}"))
    built = [
        f"{name} {shown_bytes(use.bytes)}{'' if use.fits else ' (not used: `lateral verify` says why)'}"
        for name, use in status.derived_uses.items()
    ]
    table.add_row("derived", plain(", ".join(built)) or "nothing yet")
    stdout().print(table)
    for source in status.sources[:LISTED]:
        stdout().print(f"  {plain(show_source(source))}")
    if len(status.sources) > LISTED:
        stdout().print(f"  and {len(status.sources) - LISTED} more: --json lists them")
    for source, reason in status.stale.items():
        stderr().print(f"[yellow]stale[/yellow] {plain(show_source(source))}: {plain(reason)}")
    for source, warnings in status.warnings.items():
        stderr().print(f"[yellow]note[/yellow] {plain(show_source(source))}: {plain('; '.join(warnings))}")


def print_verification(report: VerifyReport, *, as_json: bool) -> None:
    """Prints what is wrong with an index, and what has been mended."""
    if as_json:
        print_json(report.as_dict())
        return
    console = stdout()
    if not report.problems:
        console.print("The index is sound: every byte was checked.")
    for problem in report.problems:
        state = "[red]wrong[/red]" if problem in report.remaining else "[green]mended[/green]"
        console.print(f"{state} {plain(problem.file)}: {plain(problem.reason)}")
    if any(problem.cure == "none" for problem in report.remaining):
        stderr().print("The catalog can't be mended: add the documents to a new index.")
    elif any(problem.cure != "start" for problem in report.remaining):
        stderr().print("Run `lateral verify --repair` to mend it.")
    elif report.remaining:
        stderr().print("Start the server, or name another store: `lateral add FOLDER --store auto`.")

"""`lateral estimate`: what indexing a folder takes and gives, before it is indexed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .flags import (
    ColBERTFlag,
    ColBERTVectorsFlag,
    JsonFlag,
    LanguageFlag,
    ModelFlag,
    OverlapFlag,
    RetrieversFlag,
    SizeFlag,
    VectorsFlag,
)
from .interruption import Interruption
from .sizes import shown_bytes

if TYPE_CHECKING:
    from ...rag.evaluation.estimate import Estimate, VectorEstimate
    from ...rag.evaluation.sampling import Estimated

__all__ = ["estimate"]

EXIT_FAILED = 1  # some documents failed, as for `lateral add`
DEFAULT_SAMPLE = 60  # as `lateral.rag.evaluation.estimate` has it
WIDTH = 80
MINUTE = 60

SampleFlag = Annotated[int, typer.Option(min=1, help="How many files to read at most, though one of every format.")]
EncodeFlag = Annotated[bool, typer.Option("--no-encode", help="Load no model: time is not estimated then.")]


def estimate(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files and folders, as for `add`.", show_default=False)],
    sample: SampleFlag = DEFAULT_SAMPLE,
    no_encode: EncodeFlag = False,
    retrievers: RetrieversFlag = None,
    model: ModelFlag = None,
    vectors: VectorsFlag = None,
    colbert: ColBERTFlag = None,
    colbert_vectors: ColBERTVectorsFlag = None,
    language: LanguageFlag = None,
    chunk_size: SizeFlag = None,
    chunk_overlap: OverlapFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what indexing would take and give, from a sample: nothing is indexed.

    Documents, pages, chunks and vectors; bytes at each compression; minutes on this machine; memory at query time; what
    a chat model would read for an answer.
    """
    context.ensure_object(Interruption).begins_anew()
    from tempfile import TemporaryDirectory

    from ...rag.evaluation.estimate import estimate as run_estimate
    from .building import build_rag
    from .output import print_json, waiting
    from .settings import load_settings

    flags = {
        "retrievers": retrievers,
        "model": model,
        "vectors": vectors,
        "colbert": colbert,
        "colbert_vectors": colbert_vectors,
        "language": language,
        "chunk_size": chunk_size,
        "chunk_overlap": chunk_overlap,
    }
    with TemporaryDirectory(prefix="lateral-estimate-") as nowhere:
        settings = load_settings({**flags, "index": Path(nowhere) / "index"})
        with build_rag(settings, flags) as rag, waiting("Reading and encoding a sample ...", off=as_json):
            found = run_estimate(
                paths,
                rag.retrievers,
                sample=sample,
                encode=not no_encode,
                chunk_size=settings.chunk_size,
                chunk_overlap=settings.chunk_overlap,
            )
    print_json(found.as_dict()) if as_json else _print(found)
    if found.failed:
        raise typer.Exit(EXIT_FAILED)


def _print(found: Estimate) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ...retrievers.shading import shown_text
    from .output import LISTED, show_source, stderr

    console = Console(highlight=False, width=min(Console().width, WIDTH))
    whole = found.files_read == found.files
    said = "all of them read" if whole else f"from a sample of {found.files_read:,}"
    console.print(Text(f"{found.files:,} files, {said}; {found.skipped:,} others are left out"))
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("", "estimate", "between", " "):
        table.add_column(head, header_style="dim", justify="right" if head.strip() else "left")
    for row in _rows(found):
        table.add_row(*(Text(shown_text(cell)) for cell in row))
    console.print(table)
    errors = stderr()
    for note in found.notes:
        errors.print(Text.assemble(("note", "yellow"), f" {note}"))
    for failure in found.failed[:LISTED]:
        place, reason = shown_text(show_source(failure.source, failure.page)), shown_text(failure.reason)
        errors.print(Text.assemble(("failed", "red"), f" {place}: {reason}"))
    if len(found.failed) > LISTED:
        errors.print(f"[red]failed[/red] {len(found.failed) - LISTED:,} more: --json lists them")


def _rows(found: Estimate) -> Iterator[tuple[str, str, str, str]]:
    yield _row("documents", found.documents, "")
    yield _row("pages", found.pages, "of files that have pages")
    yield _row("chunks", found.chunks, "passages that are searched")
    for name, its in found.vectors.items():
        yield from _vector_rows(name, its)
    yield "", "", "", ""
    yield _row("texts, words", found.catalog_bytes + found.bm25_bytes, "the catalog and BM25", of=shown_bytes)
    yield _row("index", found.index_bytes, "all of it on disk", of=shown_bytes)
    yield _row("memory", found.memory_bytes, "of the index, at query time", of=shown_bytes)
    if found.seconds is not None:
        load = f"here; loading models: {found.load_seconds:.1f} s" if found.load_seconds is not None else "here"
        yield _row("time", found.seconds, load, of=_time)
    yield "", "", "", ""
    yield "context", f"{found.context_tokens:,}", "", "tokens of an answer's passages"
    yield "prompt", f"{found.prompt_tokens:,}", "", "tokens read for an answer"


def _vector_rows(name: str, its: VectorEstimate) -> Iterator[tuple[str, str, str, str]]:
    yield _row(f"{name} vectors", its.vectors, f"{its.dim:,} dimensions")
    for form, size in its.bytes.items():
        yield _row(f"   as {form}", size, "← as this index stores them" if form == its.format else "", of=shown_bytes)


def _row(
    name: str, it: Estimated, words: str, *, of: Callable[[float], str] | None = None
) -> tuple[str, str, str, str]:
    show = of or _number
    low, high = show(it.low), show(it.high)
    return name, show(it.value), "" if low == high else f"{low} – {high}", words


def _number(value: float) -> str:
    return f"{round(value):,}"


def _time(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = seconds / MINUTE
    return f"{minutes:.1f} min" if minutes < MINUTE else f"{minutes / MINUTE:,.1f} h"

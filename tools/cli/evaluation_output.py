"""What `lateral evaluate` and `lateral compare` print."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ...rag.evaluation.result import percentile
from ...rerankers.registry import NO_RERANKER
from .output import LISTED, console_of_tables, plain, show_source, stderr, stdout

if TYPE_CHECKING:
    from ...loaders.node import LoadFailure
    from ...rag.evaluation import AnswerScores, Comparison, EvaluationResult
    from ...rag.evaluation.comparison import Row
    from ...rag.evaluation.remarks import Remark

__all__ = ["counting_bars", "print_comparison", "print_evaluation"]

Tell: TypeAlias = Callable[[int, int | None], None]

WIDTH, LEAST_WIDTH = 100, 64  # columns of a comparison

MEANING = {
    "ndcg@10": "order of the first 10, 1 is ideal",
    "recall@5": "of what is relevant, in the first 5",
    "recall@10": "… in the first 10",
    "recall@100": "… in the first 100",
    "mrr@10": "1 / rank of the first relevant one",
    "map": "precision at each relevant one",
}
ANSWER_MEANING = {
    "citation_precision": "of what answers cite, relevant",
    "citation_recall": "of what is relevant, cited",
    "citations_supported": "of citations, borne out by the passage",
    "refused_unanswerable": "of unanswerable ones: 1 is best",
    "refused_answerable": "of answerable ones: 0 is best",
    "exact_match": "the expected answer and no more",
    "f1": "words shared with the expected one",
    "contains_answer": "the expected answer, word for word",
    "judged_correct": "right in the judge's eyes",
}


def print_evaluation(result: EvaluationResult) -> None:
    """Prints a result as a table, and what was odd about the corpus on stderr."""
    console = stdout()
    judged = ", ".join(f"{count:,} judged by {unit}" for unit, count in result.judged_by.items())
    if result.unanswerable:
        where = "left to --answers" if result.answers is None else "below"
        judged += f"\n{result.unanswerable:,} unanswerable: {where}"
    console.print(
        f"[bold]{plain(result.corpus)}[/bold]: {result.documents:,} documents in {result.chunks:,} chunks, "
        f"{len(result.rankings):,} queries"
    )
    console.print(f"{judged}\n{_described(result)}\n")
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for name, value in result.means.items():
        table.add_row(name, f"{value:.4f}", _meaning(name, result))
    for row in _costs(result):
        table.add_row(*row)
    if result.answers is not None:
        for row in _answer_rows(result.answers):
            table.add_row(*row)
    console.print(table, soft_wrap=True)
    _print_remarks(result)


def print_comparison(result: Comparison, report: Path | None = None) -> None:
    """Prints a comparison as a table and what to take, and what was odd about the corpus on stderr.

    Args:
        result: What was found.
        report: Where it was written as HTML too.
    """
    console = console_of_tables(WIDTH, LEAST_WIDTH)
    built = "the index was there" if result.index_seconds is None else f"indexed in {result.index_seconds:.1f} s"
    others = f" ({result.unanswerable:,} unanswerable, not asked)" if result.unanswerable else ""
    console.print(
        f"[bold]{plain(result.corpus)}[/bold]: {result.documents:,} documents in {result.chunks:,} chunks, "
        f"{result.queries:,} queries{others}; {built}\n"
    )
    console.print(_compared(result.rows, result.baseline))
    console.print(f"gain: points of nDCG@10 against {plain(result.baseline)}; p: corrected for all rows", style="dim")
    if result.sweep:
        console.print()
        console.print(_compared(result.sweep, None))
        console.print("gain: against the first row of the same retriever", style="dim")
    console.print()
    console.print(plain(str(result.recommendation)))
    if report is not None:
        console.print(f"The picture is in {plain(str(report))}", soft_wrap=True)
    _print_oddities(result.remarks, result.failed)


@contextmanager
def counting_bars(*, off: bool) -> Iterator[Callable[[str], Tell] | None]:
    """Gives a function that makes a bar on stderr for something that is counted; None when off or not a terminal.

    A bar is told how many are done, and of how many where that is known. All are of one display: rich has no two.
    """
    console = stderr()
    if off or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:

        def make(what: str) -> Tell:
            task = bars.add_task(what, total=None, visible=False)
            return lambda done, total: bars.update(task, completed=done, total=total, visible=True)

        yield make


def _described(result: EvaluationResult) -> str:
    """Returns the configuration in a line."""
    chosen = result.configuration
    settings = {
        name: ", ".join(f"{key} {value}" for key, value in its.items()) for name, its in chosen.settings.items()
    }
    names = [f"{name} ({settings[name]})" if name in settings else name for name in chosen.retrievers or ()]
    fused = "" if chosen.fusion is None else f" fused by {chosen.fusion}"
    reranked = "" if chosen.reranker == NO_RERANKER else f", reranked by {chosen.reranker}"
    return plain(f"{' + '.join(names)}{fused}{reranked}, {chosen.top_k} hits a query")


def _meaning(name: str, result: EvaluationResult) -> str:
    """Returns what a measure says, and of how many hits where fewer were asked for than its name has."""
    meant, cut = MEANING[name], result.configuration.top_k
    return re.sub(r"first (\d+)", lambda at: f"{cut} asked for" if cut < int(at[1]) else at[0], meant)


def _costs(result: EvaluationResult) -> Iterator[tuple[str, str, str]]:
    times = result.milliseconds.values()
    yield "", "", ""
    yield "query p50", f"{percentile(times, 50):.1f} ms", "text to hits, half are faster"
    yield "query p95", f"{percentile(times, 95):.1f} ms", "… 95 of 100 are"
    if result.index_seconds is None:
        yield "index", "reused", "not measured in this run"
    else:
        rate = result.chunks / max(result.index_seconds, 1e-9)
        yield "index", f"{result.index_seconds:.1f} s", f"{rate:,.0f} chunks/s, models loaded"
    total = result.index_bytes / 1e6
    yield "on disk", f"{result.bytes_per_document / 1e3:.1f} kB", f"a document, {total:,.1f} MB in all"
    yield "memory", f"{result.peak_memory_mb:,.0f} MB", "at the peak"


def _answer_rows(answers: AnswerScores) -> Iterator[tuple[str, str, str]]:
    values = answers.as_dict()
    yield "", "", ""
    yield "answers", f"{answers.questions + answers.unanswerable:,}", f"{answers.unanswerable:,} of them unanswerable"
    for name, meaning in ANSWER_MEANING.items():
        if (value := values[name]) is not None:
            share = answers.matches.judged_share if name == "judged_correct" else None
            of = "" if share is None or share == 1 else f", of the {share:.0%} it judged"
            yield name.replace("_", " "), f"{value:.4f}", meaning + of
    yield "answer p50", f"{answers.p50_ms:.1f} ms", "question to last word"
    if answers.prompt_tokens:
        yield (
            "tokens",
            f"{answers.prompt_tokens + answers.completion_tokens:,}",
            f"{answers.prompt_tokens:,} of them read",
        )


def _print_remarks(result: EvaluationResult) -> None:
    _print_oddities(result.remarks, result.failed)
    console = stderr()
    if result.answers is not None and result.answers.degraded:
        console.print(f"[yellow]note[/yellow] {result.answers.degraded:,} answers were written without the chat model")
    if result.answers is not None and result.answers.matches.judge_unclear:
        console.print(f"[yellow]note[/yellow] {result.answers.matches.judge_unclear:,} answers have no verdict")


def _print_oddities(remarks: Sequence[Remark], failed: Sequence[LoadFailure]) -> None:
    console = stderr()
    for remark in remarks:
        console.print(f"[yellow]note[/yellow] {plain(str(remark))}")
    for failure in failed[:LISTED]:
        place = show_source(failure.source, failure.page)
        console.print(f"[red]failed[/red] {plain(place)}: {plain(failure.reason)}")
    if len(failed) > LISTED:
        console.print(f"[red]failed[/red] {len(failed) - LISTED} more: --json lists them")


def _compared(rows: Sequence[Row], baseline: str | None) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("configuration", overflow="fold")
    for head in ("nDCG@10", "gain", "p", "R@100", "p50 ms", "kB/doc"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            plain(row.name),
            f"{row.quality:.4f}",
            "base" if row.name == baseline else "" if row.gain is None else f"{100 * row.gain:+.1f}",
            "" if row.p is None else f"{row.p:.4f}",
            f"{row.means['recall@100']:.4f}",
            f"{row.p50_ms:.1f}",
            f"{row.bytes_per_document / 1e3:,.1f}",
        )
    return table

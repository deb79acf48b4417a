"""`lateral compare`: the retrievers, their fusions and a reranker side by side on a judged corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...output_file import check_free, write_file
from .evaluating import (
    IndexFolderFlag,
    LimitFlag,
    QuestionsFlag,
    SplitFlag,
    index_folder,
    read_configuration,
)
from .flags import (
    ColBERTFlag,
    DtypeFlag,
    JsonFlag,
    LanguageFlag,
    ModelFlag,
    RerankDepthFlag,
    RerankFlag,
    RetrieversFlag,
    SizeFlag,
)
from .interruption import INDEX_KEEPS, Interruption

if TYPE_CHECKING:
    from ...rag.evaluation import Comparison, Configuration, JudgedCorpus

__all__ = ["compare"]

EXIT_FAILED = 1  # some documents failed, as for `lateral add`
TOP_K = 100  # recall@100 needs as many

BaselineFlag = Annotated[
    str | None,
    typer.Option(help="What the others are tested against (default: bi-encoder).", show_default=False),
]
SweepFlag = Annotated[bool, typer.Option("--sweep", help="Store the vectors in every format too, and compare.")]
HtmlFlag = Annotated[
    Path | None, typer.Option("--html", help="Write table and picture to this HTML file.", show_default=False)
]


def compare(
    context: typer.Context,
    corpus: Annotated[
        Path,
        typer.Argument(help="A folder in BEIR form, or of documents with a questions file.", show_default=False),
    ],
    questions: QuestionsFlag = None,
    split: SplitFlag = None,
    retrievers: RetrieversFlag = None,
    model: ModelFlag = None,
    dtype: DtypeFlag = None,
    colbert: ColBERTFlag = None,
    language: LanguageFlag = None,
    chunk_size: SizeFlag = None,
    rerank: RerankFlag = None,
    rerank_depth: RerankDepthFlag = None,
    baseline: BaselineFlag = None,
    sweep: SweepFlag = False,
    index: IndexFolderFlag = None,
    limit: LimitFlag = None,
    html: HtmlFlag = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare the retrievers and their fusions on a judged corpus: quality, latency, size, and which to take.

    CORPUS is as for `lateral evaluate`. Each retriever is measured alone, and each two or more of them under every
    fusion, with and without the reranker if one is named; each is tested against the baseline, and p is corrected for
    the number of tests.
    """
    if index is None:
        context.ensure_object(Interruption).begins_anew(INDEX_KEEPS)
    flags = {
        "retrievers": retrievers,
        "model": model,
        "dtype": dtype,
        "colbert": colbert,
        "language": language,
        "chunk_size": chunk_size,
    }
    from ...rag.evaluation import read_corpus, report_html
    from ...rerankers.registry import NO_RERANKER
    from .evaluation_output import print_comparison
    from .output import print_json, stderr

    if html is not None:
        check_free(html, force=force, flag="--html")
    judged = read_corpus(corpus, questions=questions, split=split)
    judged = judged if limit is None else judged.sampled(limit)
    with index_folder(index) as folder:
        stages = {"rerank": NO_RERANKER if rerank is None else rerank, "rerank_depth": rerank_depth}
        configuration = read_configuration(_all(flags), folder, stages, top_k=TOP_K)
        result = _compared(judged, configuration, folder, baseline=baseline, sweeping=sweep, quiet=as_json)
    if html is not None:
        write_file(html, report_html(result), force=force, flag="--html")
    if sweep and not result.sweep:
        stderr().print("[yellow]note[/yellow] --sweep: none of these retrievers can store vectors otherwise")
    shown = {} if html is None else {"html": str(html.absolute())}
    print_json({**result.as_dict(), **shown}) if as_json else print_comparison(result, html)
    if result.failed:
        raise typer.Exit(EXIT_FAILED)


def _compared(
    corpus: JudgedCorpus,
    configuration: Configuration,
    folder: Path,
    *,
    baseline: str | None,
    sweeping: bool,
    quiet: bool,
) -> Comparison:
    from ...rag.evaluation import compare as run_comparison
    from ...rag.evaluation import sweep as run_sweep
    from .evaluation_output import counting_bars

    with counting_bars(off=quiet) as bar:
        documents, queries = (None, None) if bar is None else (bar("documents"), bar("queries"))
        on_index = None if documents is None else lambda progress: documents(progress.done, progress.total)
        result = run_comparison(corpus, configuration, folder, baseline=baseline, on_index=on_index, on_query=queries)
        if not sweeping:
            return result
        rows = run_sweep(corpus, configuration, folder, on_query=None if bar is None else bar("sweep"))
    return replace(result, sweep=tuple(rows))


def _all(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the flags with those that this command leaves to the settings."""
    from .building import MAKING

    return {**dict.fromkeys(MAKING), **flags}

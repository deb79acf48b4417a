"""`lateral import-ragatouille`: the documents of a RAGatouille index, added to an index of lateral's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .flags import ColBERTBitsFlag, ColBERTFlag, ColBERTIndexFlag, IndexFlag, JsonFlag

__all__ = ["import_index"]

EXIT_FAILED = 1  # some documents failed


def import_index(
    path: Annotated[Path, typer.Argument(help="Its folder: .ragatouille/colbert/indexes/NAME.", show_default=False)],
    index: IndexFlag = None,
    colbert: ColBERTFlag = None,
    colbert_index: ColBERTIndexFlag = None,
    colbert_bits: ColBERTBitsFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Add the documents of a RAGatouille index: its texts, ids and metadata. Its pickles are not opened.

    A passage is a chunk, or several where it is longer than the index's chunks.
    """
    from ...loaders.ragatouille import import_ragatouille
    from .building import build_rag
    from .output import print_json, print_report, progress_bar
    from .settings import load_settings

    documents = import_ragatouille(path)
    flags = {"index": index, "colbert": colbert, "colbert_index": colbert_index, "colbert_bits": colbert_bits}
    with build_rag(load_settings(flags), flags) as rag, progress_bar(off=as_json) as on_progress:
        report = rag.add(documents, on_progress=on_progress)
    print_json(report.as_dict()) if as_json else print_report(report)
    if report.failed:
        raise typer.Exit(EXIT_FAILED)

"""`lateral quantize`: the index's bi-encoder in 8-bit integers, and what that saves and loses."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from ...errors import IndexNotFoundError, InvalidArgumentError
from .flags import IndexFlag, JsonFlag
from .interruption import Interruption

if TYPE_CHECKING:
    from pathlib import Path

    from ...retrievers.models import Quantization

__all__ = ["print_quantization", "quantize"]

TEXTS = 512  # of the index: from one half come the sample's sentences, the other half measures


def quantize(context: typer.Context, index: IndexFlag = None, as_json: JsonFlag = False) -> None:
    """Bring the index's bi-encoder to int8 with a sample of its texts, and say what that saves and loses.

    For queries and documents with `--dtype int8` (or LATERAL_DTYPE=int8); nothing changes without it. The model in int8
    is kept in the user's cache, one a model. Vectors that are stored stay as they are: both kinds can be compared.
    Needs the extra openvino.
    """
    context.ensure_object(Interruption).begins_anew()
    from ...retrievers.models import quantize_bi_encoder
    from .output import print_json, waiting
    from .settings import load_settings

    settings = load_settings({"index": index})
    with waiting("Bringing the model to int8 and measuring ...", off=as_json):
        model, texts = _sample(settings.index)
        found = quantize_bi_encoder(texts, model=model)
    print_json(asdict(found) | {"pays": found.pays}) if as_json else print_quantization(found)


def _sample(folder: Path) -> tuple[str, list[str]]:
    """Returns the bi-encoder's name, and texts from all over the index.

    Raises:
        InvalidArgumentError: The index has no bi-encoder.
        IndexNotFoundError: There is no index, or nothing in it.
    """
    from ...loaders.indexed_text import indexed_text
    from ...retrievers.store import Index

    with Index(folder).read() as snapshot:
        config, ids = snapshot.config(), snapshot.chunk_ids()
        if config is None or not len(ids):
            raise IndexNotFoundError(f"the index {folder} holds nothing yet: add documents first")
        dense = next((it for it in config.retrievers if it.name == "bi-encoder"), None)
        if dense is None:
            raise InvalidArgumentError(f"the index {folder} has no bi-encoder: only its vectors can be made in int8")
        step = max(1, len(ids) // TEXTS)
        return dense.settings["model"], [indexed_text(it) for it in snapshot.nodes(ids[::step].astype(str).tolist())]


def print_quantization(found: Quantization) -> None:
    """Prints what was measured, for a person."""
    from rich.table import Table

    from .output import plain, stdout

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column(found.usual, justify="right")
    table.add_column("int8", justify="right")
    table.add_row("a query, ms", f"{found.usual_query_ms:.2f}", f"{found.query_ms:.2f}")
    table.add_row("texts a second", f"{found.usual_texts_per_second:.0f}", f"{found.texts_per_second:.0f}")
    console = stdout()
    how = f"by a sample of {found.sample} sentences" if found.sample else "its weights alone: a quarter of the bytes"
    console.print(f"{plain(found.model)} is at hand in int8, {how}.")
    console.print(table)
    console.print(
        f"On {found.measured} other texts: cosine to float32 {found.cosine:.4f}, at least {found.lowest_cosine:.4f}; "
        f"{found.kept:.0%} of the ten nearest texts stay among the ten nearest."
    )
    console.print("`--dtype int8` or LATERAL_DTYPE=int8 uses it; `lateral evaluate --dtype int8` says what it costs.")
    if not found.pays:
        console.print(
            f"It saves no time on this machine: {found.usual} is as fast or faster. CPUs with VNNI or AMX have "
            "instructions for it."
        )

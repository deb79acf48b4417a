"""Exported transformers brought to 8-bit integers once, kept beside the export."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ....errors import ModelNotFoundError
from ..compute import cpu_saturates
from .child import alone, last_line, run_child
from .export import MODEL, is_whole, put_in_place, write_manifest

__all__ = ["quantize_export", "quantized_folder", "takes_sample"]

STATIC, WEIGHTS = "int8-", "int8-weights-"  # a cache may be shared by machines of either kind
SAMPLE = "sample.json"

logger = logging.getLogger(__name__)


def quantized_folder(exported: Path) -> Path | None:
    """Returns the folder of an export's graph in 8-bit integers, None where it was not made or is damaged."""
    folder = _folder(exported)
    return folder if is_whole(folder, {MODEL}) else None


def quantize_export(exported: Path, texts: Sequence[str], max_length: int | None) -> Path:
    """Returns the folder of an export's graph in 8-bit integers, made anew by a process of its own.

    Where the CPU has no use for products of bytes (see `takes_sample`) the weights alone are brought to bytes, each row
    with a scale and a zero point, and are multiplied as floats. One that was made before, with another sample, is
    replaced; who has it open keeps what is open.

    Args:
        exported: The folder of `export_transformer`.
        texts: What the ranges of the layers are taken from, prompts included, as the model is to read them; not read
            where the weights alone are brought to bytes.
        max_length: At most this many tokens of a text are read.

    Raises:
        ModelNotFoundError: The graph can't be quantized, or the cache can't be written; the message is one line.
    """
    folder = _folder(exported)
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    sample = texts if takes_sample() else None
    how = "its weights alone" if sample is None else f"with {len(sample)} texts"
    logger.info("bringing the model in %s to int8, %s, once", exported, how)
    try:
        with alone(folder, f"bringing the model in {exported} to int8"):
            for left in folder.parent.glob(f"{folder.name}.*.tmp"):  # of a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            try:
                unfinished.mkdir(mode=0o700)
                _run(exported, unfinished, sample, max_length)
                write_manifest(unfinished)
                put_in_place(unfinished, folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as err:
        raise ModelNotFoundError(f"{folder.parent} can't keep the quantized model: {err}") from err
    return folder


def takes_sample() -> bool:
    """Returns whether int8 is static here: matrix products are of bytes, in ranges that a sample of texts gives.

    An x86 without VNNI adds products of bytes in pairs, in 16 bits that saturate. With half of the range for weights
    nothing saturates, but documents take a sixth longer than in floats and nDCG@10 on Cranfield falls by 0.004. With
    the weights alone in bytes documents take 4 to 9% longer, queries no longer, and it falls by 0.001; a process that
    indexes takes two thirds of the memory (MiniLM on an AMD EPYC with AVX2).
    """
    return not cpu_saturates()


def _folder(exported: Path) -> Path:
    return exported.with_name((STATIC if takes_sample() else WEIGHTS) + exported.name)


def _run(exported: Path, out: Path, texts: Sequence[str] | None, max_length: int | None) -> None:
    sample = out / SAMPLE
    if texts is not None:
        sample.write_text(json.dumps([*texts]), encoding="utf-8")
    module = __name__.rpartition(".")[0] + ".quantize_process"
    paths = [str(exported.absolute()), str(out.absolute())]
    given = [str(sample.absolute()), str(max_length or 0)] if texts is not None else []
    done = run_child(module, *paths, *given, what=f"quantizing {exported}")
    sample.unlink(missing_ok=True)  # what the documents say stays in the index
    if done.returncode:
        raise ModelNotFoundError(f"{exported} can't be brought to int8: {last_line(done, out)}")

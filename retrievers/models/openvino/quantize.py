"""Exported transformers brought to 8-bit integers once, by static quantization, kept beside the export."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ....errors import ModelNotFoundError
from ..compute import cpu_saturates
from .child import last_line, run_child
from .export import MODEL, is_whole, write_manifest

__all__ = ["quantize_export", "quantized_folder"]

PREFIX, HALVED = "int8-", "int8-half-"  # a cache may be shared by machines that saturate and machines that don't
SAMPLE = "sample.json"

logger = logging.getLogger(__name__)


def quantized_folder(exported: Path) -> Path | None:
    """Returns the folder of an export's graph in 8-bit integers, None where it was not made or is damaged."""
    folder = _folder(exported)
    return folder if is_whole(folder, {MODEL}) else None


def quantize_export(exported: Path, texts: Sequence[str], max_length: int | None) -> Path:
    """Returns the folder of an export's graph in 8-bit integers, made anew by a process of its own.

    One that was made before, with another sample, is replaced; who has it open keeps what is open.

    Args:
        exported: The folder of `export_transformer`.
        texts: What the ranges of the layers are taken from, prompts included, as the model is to read them.
        max_length: At most this many tokens of a text are read.

    Raises:
        ModelNotFoundError: The graph can't be quantized, or the cache can't be written; the message is one line.
    """
    from filelock import FileLock

    folder = _folder(exported)
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    logger.info("bringing the model in %s to int8 with %d texts, once", exported, len(texts))
    try:
        with FileLock(f"{folder}.lock"):
            for left in folder.parent.glob(f"{folder.name}.*.tmp"):  # of a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            try:
                unfinished.mkdir(mode=0o700)
                _run(exported, unfinished, texts, max_length)
                write_manifest(unfinished)
                shutil.rmtree(folder, ignore_errors=True)
                unfinished.rename(folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as err:
        raise ModelNotFoundError(f"{folder.parent} can't keep the quantized model: {err}") from err
    return folder


def _folder(exported: Path) -> Path:
    return exported.with_name((HALVED if cpu_saturates() else PREFIX) + exported.name)


def _run(exported: Path, out: Path, texts: Sequence[str], max_length: int | None) -> None:
    sample = out / SAMPLE
    sample.write_text(json.dumps([*texts]), encoding="utf-8")
    module = __name__.rpartition(".")[0] + ".quantize_process"
    paths = [str(path.absolute()) for path in (exported, sample, out)]
    done = run_child(module, *paths, str(max_length or 0), what=f"quantizing {exported}")
    sample.unlink()  # what the documents say stays in the index
    if done.returncode:
        raise ModelNotFoundError(f"{exported} can't be brought to int8: {last_line(done)}")

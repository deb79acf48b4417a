"""ColBERT checkpoints exported to OpenVINO once, and then encoded on the CPU without torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ....errors import InvalidArgumentError, ModelNotFoundError
from ...retriever import Side
from ..backend import cpu_refusal
from ..compute import DType, choose_dtype
from ..folder import REASON_CHARS, transformer_config
from ..openvino.export import MODEL, export_transformer
from ..openvino.runtime import OpenVINORuntime, lone_streams, precision_here
from ..openvino.token_batches import LENGTH_STEP, TokenBatch
from .checkpoint import PROJECTION, ColbertCheckpoint
from .encoder import LoadedCheckpoint, Run

__all__ = ["load_with_openvino", "openvino_refusal"]

IDENTITY = "torch.nn.modules.linear.Identity"


def openvino_refusal(checkpoint: ColbertCheckpoint, device: str | None, dtype: DType) -> str | None:
    """Returns why OpenVINO can't serve a checkpoint here, None where it can."""
    if reason := cpu_refusal(device, dtype):
        return reason
    for module in checkpoint.modules[1:]:
        if module.config["bias"] or module.config["use_residual"] or module.config["activation_function"] != IDENTITY:
            return "its projection is more than a matrix"
    return None


def load_with_openvino(checkpoint: ColbertCheckpoint, *, device: str | None, dtype: DType) -> LoadedCheckpoint:
    """Returns a checkpoint whose transformer and projection run in OpenVINO.

    The export takes some seconds once and is kept; see `lateral.retrievers.models.openvino.export.export_transformer`.

    Args:
        checkpoint: One in any format whose projections are matrices.
        device: "cpu" or None.
        dtype: "auto" is bfloat16 where the CPU has it; asked for by name elsewhere, OpenVINO computes in float32.

    Raises:
        InvalidArgumentError: The checkpoint, device or dtype is none that OpenVINO can serve.
        MissingExtraError: OpenVINO is not installed.
        ModelNotFoundError: The checkpoint can't be exported or loaded.
    """
    if reason := openvino_refusal(checkpoint, device, dtype):
        raise InvalidArgumentError(f"backend 'openvino' can't serve the checkpoint in {checkpoint.path}: {reason}")
    precision = choose_dtype(dtype, "cpu")
    assert precision != "float16"
    projection = _projection(checkpoint)
    file = export_transformer(checkpoint.modules[0]) / MODEL
    limit = transformer_config(checkpoint.modules[0].path)["max_length"] or 0
    longest = checkpoint.query.length  # what [MASK] fills a query up to, mostly
    query_lengths = () if longest is None else (_filled_length(longest, limit),)

    @cache
    def runtime(side: Side) -> OpenVINORuntime:
        """Compiles what a side asks for first: documents come many at a time, queries mostly one by one."""
        if side == "document":
            return OpenVINORuntime(file, precision=precision, projection=projection)
        return OpenVINORuntime(
            file, precision=precision, streams=lone_streams(), projection=projection, lone_lengths=query_lengths
        )

    return LoadedCheckpoint(_run(runtime, limit), "cpu", precision_here(precision))


def _run(runtime: Callable[[Side], OpenVINORuntime], limit: int) -> Run:
    compiling = Lock()

    def run(batches: Iterable[TokenBatch], side: Side) -> Iterator[NDArray[np.float32]]:
        with compiling:
            compiled = runtime(side)
        with closing(compiled.run(_filled(batch, limit) for batch in batches)) as results:
            for _, outputs in results:
                yield next(iter(outputs.values())).copy()  # the next batch overwrites it

    return run


def _filled(batch: TokenBatch, limit: int) -> TokenBatch:
    """Returns a batch padded to a multiple of LENGTH_STEP, as far as the transformer has positions."""
    length = batch.inputs["input_ids"].shape[1]
    missing = _filled_length(length, limit) - length
    if missing == 0:
        return batch
    return replace(batch, inputs={name: np.pad(ids, ((0, 0), (0, missing))) for name, ids in batch.inputs.items()})


def _filled_length(length: int, limit: int) -> int:
    return max(length, min(-(-length // LENGTH_STEP) * LENGTH_STEP, limit))


def _projection(checkpoint: ColbertCheckpoint) -> NDArray[np.float32] | None:
    """Returns the matrix, shape (transformer's width, dim), that all projections together are; None without any."""
    from safetensors import SafetensorError, safe_open

    modules = checkpoint.modules if checkpoint.format == "stanford" else checkpoint.modules[1:]
    whole: NDArray[np.float32] | None = None
    for path in (path for module in modules for path in module.weights):
        try:
            with safe_open(str(path), framework="numpy") as file:
                if PROJECTION not in file.keys():  # noqa: SIM118 (no mapping)
                    continue
                matrix = file.get_tensor(PROJECTION).astype(np.float32).T
        except (SafetensorError, OSError, TypeError) as err:
            raise ModelNotFoundError(f"{path} can't be read: {str(err)[:REASON_CHARS]}") from err
        whole = matrix if whole is None else whole @ matrix
    return None if whole is None else np.ascontiguousarray(whole)

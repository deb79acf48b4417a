"""ColBERT checkpoints exported to OpenVINO once, and then encoded on the CPU without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ....errors import InvalidArgumentError, ModelNotFoundError
from ...retriever import Side
from ..compute import DType, choose_dtype
from ..folder import REASON_CHARS
from ..openvino.export import MODEL, export_transformer
from ..openvino.runtime import OpenVINORuntime
from ..openvino.token_batches import TokenBatch
from .checkpoint import PROJECTION, ColbertCheckpoint
from .encoder import LoadedCheckpoint, Run

__all__ = ["load_with_openvino", "openvino_refusal"]

IDENTITY = "torch.nn.modules.linear.Identity"


def openvino_refusal(checkpoint: ColbertCheckpoint, device: str | None, dtype: DType) -> str | None:
    """Returns why OpenVINO can't serve a checkpoint here, None where it can."""
    if device not in (None, "cpu"):
        return f"it computes on the CPU only, and device is {device!r}"
    if dtype == "float16":
        return "it computes in float32 or bfloat16, and dtype is 'float16'"
    for module in checkpoint.modules[1:]:
        if module.config["bias"] or module.config["use_residual"] or module.config["activation_function"] != IDENTITY:
            return "its projection is more than a matrix"
    return None


def load_with_openvino(checkpoint: ColbertCheckpoint, *, device: str | None, dtype: DType) -> LoadedCheckpoint:
    """Returns a checkpoint whose transformer runs in OpenVINO and whose projection is a product of matrices here.

    The export takes some seconds once and is kept; see `lateral.retrievers.models.openvino.export.export_transformer`.

    Args:
        checkpoint: One in any format whose projections are matrices.
        device: "cpu" or None.
        dtype: "auto" is bfloat16 where the CPU has it.

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
    folder = export_transformer(checkpoint.modules[0])
    runtime = OpenVINORuntime(folder / MODEL, precision=precision)
    return LoadedCheckpoint(_run(runtime, projection), "cpu", precision)


def _run(runtime: OpenVINORuntime, projection: NDArray[np.float32] | None) -> Run:
    def run(batches: Iterable[TokenBatch], _side: Side) -> Iterator[NDArray[np.float32]]:
        for _, outputs in runtime.run(batches):
            hidden = next(iter(outputs.values()))
            yield hidden.copy() if projection is None else hidden @ projection

    return run


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

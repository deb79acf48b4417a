"""What runs a model: torch, or OpenVINO where it is installed and can."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

from ...errors import InvalidArgumentError
from ...extras import require
from .compute import DType, check_dtype, choose_dtype, is_cpu_likely
from .lookup import SHOWN_CHARS

__all__ = ["Backend", "check_backend", "cpu_refusal", "openvino_precision"]

Backend: TypeAlias = Literal["auto", "torch", "openvino"]

EXPORTERS = ("openvino", "optimum")  # what the extra "openvino" installs, as modules

logger = logging.getLogger(__name__)


def check_backend(backend: Backend) -> Backend:
    """Returns the backend unchanged.

    Raises:
        InvalidArgumentError: It is none of "auto", "torch" and "openvino".
    """
    if backend not in get_args(Backend):
        raise InvalidArgumentError(f"backend must be one of {', '.join(get_args(Backend))}, got {backend!r}")
    return backend


def openvino_precision(
    model: str, backend: Backend, refuse: Callable[[], str | None], *, device: str | None, dtype: DType
) -> Literal["float32", "bfloat16"] | None:
    """Returns what OpenVINO is to compute a model in; None where torch is to run it.

    Args:
        model: The name that the user gave.
        backend: What was asked for. "auto" is OpenVINO where it is installed, no GPU is at hand, and it can.
        refuse: Returns why OpenVINO can't run the model, None where it can.
        device: What was asked for.
        dtype: What was asked for.

    Raises:
        InvalidArgumentError: OpenVINO was asked for by name, and can't run this model, device or dtype.
        MissingExtraError: OpenVINO was asked for by name and is not installed.
    """
    check_dtype(dtype)
    if backend == "torch" or (backend == "auto" and not (_is_installed() and is_cpu_likely(device))):
        return None
    wished = cpu_refusal(device, dtype)
    reason = wished or refuse()
    if reason and backend == "openvino":
        raise InvalidArgumentError(
            f"backend 'openvino' can't serve {model[:SHOWN_CHARS]!r}: {reason}; backend='torch' can"
        )
    if reason:
        level = logging.INFO if wished else logging.WARNING  # of what one wished for one knows
        logger.log(level, "%s: sentence-transformers runs it, as OpenVINO can't: %s", model[:SHOWN_CHARS], reason)
        return None
    if not _is_installed():
        for module in EXPORTERS:
            require(module, extra="openvino")
    precision = choose_dtype(dtype, "cpu")
    assert precision != "float16"
    return precision


def cpu_refusal(device: str | None, dtype: DType) -> str | None:
    """Returns why OpenVINO can't compute on a device or in a dtype, None where it can."""
    if device not in (None, "cpu"):
        return f"it computes on the CPU only, and device is {device!r}"
    if dtype == "float16":
        return "it computes in float32 or bfloat16, and dtype is 'float16'"
    return None


def _is_installed() -> bool:
    return all(importlib.util.find_spec(module) is not None for module in EXPORTERS)

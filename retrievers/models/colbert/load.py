"""Loads ColBERT encoders: finds the checkpoint, chooses what runs it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, TypeAlias, get_args

from ....errors import InvalidArgumentError
from ....extras import require
from ...retriever import TokenEncoder
from ..compute import DType, check_dtype, device_name
from ..folder import ModelFolder
from ..lookup import SHOWN_CHARS, look_up
from .checkpoint import read_checkpoint
from .encoder import ColbertEncoder, LoadedCheckpoint
from .openvino import load_with_openvino, openvino_refusal
from .ragatouille import load_with_ragatouille
from .sentence_transformers import load_with_sentence_transformers

__all__ = ["ColbertBackend", "find_checkpoint", "load_colbert"]

ColbertBackend: TypeAlias = Literal["auto", "ragatouille", "sentence-transformers", "openvino"]

# What each extra installs, as modules.
PACKAGES = {"colbert": ("ragatouille", "langchain_classic"), "openvino": ("openvino", "optimum")}
LOADERS: Mapping[str, Callable[..., LoadedCheckpoint]] = {
    "ragatouille": load_with_ragatouille,
    "sentence-transformers": load_with_sentence_transformers,
    "openvino": load_with_openvino,
}


def load_colbert(
    model: str,
    *,
    backend: ColbertBackend = "auto",
    device: str | None = None,
    dtype: DType = "auto",
    offline: bool = False,
) -> TokenEncoder:
    """Returns a ColBERT encoder whose files are at hand; its weights are loaded when it first encodes.

    Args:
        model: A folder, or a name such as "colbert-ir/colbertv2.0"; see `find_checkpoint` for where it is looked for
            and `lateral.retrievers.models.colbert.checkpoint.read_checkpoint` for what a folder must hold.
        backend: "ragatouille" loads and encodes through RAGatouille, which reads the Stanford format.
            "sentence-transformers" reads that, its own and PyLate's. "openvino" exports either once and then encodes
            on the CPU without torch. "auto" is "ragatouille" where the extra "colbert" is installed and the checkpoint
            is in the Stanford format, else "sentence-transformers". All make the same vectors, so an index made by one
            is served by the others.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the best there is.
        dtype: What to compute in; "auto" is bfloat16 where CPU or GPU has it, float16 on other CUDA GPUs, else float32.
            Vectors are float32 always.
        offline: Never ask the hub.

    Raises:
        InvalidArgumentError: The name is empty, backend or dtype is none of those offered, RAGatouille is to read
            another format than Stanford's, or OpenVINO can't serve this checkpoint, device or dtype.
        MissingExtraError: RAGatouille or OpenVINO was asked for by name and is not installed.
        ModelNotFoundError: The checkpoint can't be had or can't be served; the message lists what was tried.
    """
    if backend not in get_args(ColbertBackend):
        raise InvalidArgumentError(f"backend must be one of {', '.join(get_args(ColbertBackend))}, got {backend!r}")
    device = device_name(device)
    check_dtype(dtype)
    if backend == "ragatouille" or backend == "openvino":
        _require("colbert" if backend == "ragatouille" else "openvino")
    folder = find_checkpoint(model, offline=offline)
    checkpoint = read_checkpoint(folder.path)
    if backend == "auto":
        serves = checkpoint.format == "stanford" and _is_installed("colbert")
        backend = "ragatouille" if serves else "sentence-transformers"
    if backend == "ragatouille" and checkpoint.format != "stanford":
        raise InvalidArgumentError(
            f"backend 'ragatouille' reads checkpoints in the Stanford format, and {model[:SHOWN_CHARS]!r} is in that "
            "of sentence-transformers: use backend='sentence-transformers'"
        )
    if backend == "openvino" and (reason := openvino_refusal(checkpoint, device, dtype)):
        raise InvalidArgumentError(f"backend 'openvino' can't serve {model[:SHOWN_CHARS]!r}: {reason}")
    return ColbertEncoder(folder, backend=backend, load=partial(LOADERS[backend], device=device, dtype=dtype))


def _is_installed(extra: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in PACKAGES[extra])


def _require(extra: str) -> None:
    """Raises the error with the pip line, before anything is loaded, where an extra is not installed."""
    if not _is_installed(extra):
        for name in PACKAGES[extra]:
            require(name, extra=extra)


def find_checkpoint(model: str, *, offline: bool = False) -> ModelFolder:
    """Returns the folder of a ColBERT checkpoint.

    It is looked for as a local folder, in the local Hugging Face cache, and on the hub. A folder that exists is used or
    refused, never passed over.

    Args:
        model: A folder's path, or a model's name such as "colbert-ir/colbertv2.0".
        offline: Never ask the hub.

    Raises:
        InvalidArgumentError: The name is empty.
        ModelNotFoundError: The checkpoint can't be had or can't be served; the message lists what was tried.
    """
    return look_up(model, read_checkpoint, what="ColBERT checkpoint", offline=offline)

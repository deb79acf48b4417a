"""Loads cross-encoders: finds the model, chooses what runs it."""

from __future__ import annotations

import importlib.util
import logging
from typing import get_args

from ....errors import InvalidArgumentError
from ....extras import require
from ..compute import DType, check_dtype, choose_dtype, is_cpu_likely
from ..folder import ModelFolder
from ..loading import EXPORTERS, SHOWN_CHARS, Backend
from ..lookup import look_up
from .checkpoint import read_cross_encoder
from .openvino import OpenVINOPairs, openvino_refusal
from .pairs import PairScorer
from .sentence_transformers import SentenceTransformersPairs

__all__ = ["find_cross_encoder", "load_cross_encoder"]

DEFAULT_ORGANIZATION = "cross-encoder"  # of a name without one, as sentence-transformers has it

logger = logging.getLogger(__name__)


def load_cross_encoder(
    model: str,
    *,
    device: str | None = None,
    dtype: DType = "auto",
    offline: bool = False,
    backend: Backend = "auto",
) -> PairScorer:
    """Returns a cross-encoder whose files are at hand; its weights are loaded when it first scores.

    Args:
        model: A folder, or a name such as "cross-encoder/ms-marco-MiniLM-L6-v2"; see `find_cross_encoder`.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the best there is.
        dtype: What to compute in; "auto" is bfloat16 where CPU or GPU has it.
        offline: Never ask the hub.
        backend: "torch" is sentence-transformers. "openvino" exports the model once and then scores without torch, on
            the CPU, in "float32" or "bfloat16". "auto" is "openvino" where the extra of this name is installed, no GPU
            is at hand and the model is a transformer with its own head, else "torch".

    Raises:
        InvalidArgumentError: The name is empty, the dtype or the backend is none of those offered, or "openvino" was
            asked for by name and can't serve this model, device or dtype.
        MissingExtraError: "openvino" was asked for by name and is not installed.
        ModelNotFoundError: The model can't be had or is none that gives one score; the message lists what was tried.
    """
    if backend not in get_args(Backend):
        raise InvalidArgumentError(f"backend must be one of {', '.join(get_args(Backend))}, got {backend!r}")
    folder = find_cross_encoder(model, offline=offline)
    checkpoint = read_cross_encoder(folder.path)
    scorer = SentenceTransformersPairs(folder, checkpoint, device=device, dtype=dtype)
    if backend == "torch" or (backend == "auto" and not (_openvino_is_installed() and is_cpu_likely(device))):
        return scorer
    return _light(scorer, device, check_dtype(dtype), by_name=backend == "openvino")


def _light(scorer: SentenceTransformersPairs, device: str | None, dtype: DType, *, by_name: bool) -> PairScorer:
    """Returns what scores without torch, or in torch where that can't be and was not asked for."""
    name = scorer.folder.name[:SHOWN_CHARS]
    reason = openvino_refusal(scorer.checkpoint, device, dtype)
    if reason and by_name:
        raise InvalidArgumentError(f"backend 'openvino' can't serve {name!r}: {reason}; backend='torch' can")
    if reason:
        logger.info("cross-encoder %s: sentence-transformers scores, as OpenVINO can't: %s", name, reason)
        return scorer
    if not _openvino_is_installed():
        require(EXPORTERS[0], extra="openvino")
        require(EXPORTERS[1], extra="openvino")
    precision = choose_dtype(dtype, "cpu")
    assert precision != "float16"
    return OpenVINOPairs(scorer, precision=precision, fall_back=not by_name)


def _openvino_is_installed() -> bool:
    return all(importlib.util.find_spec(module) is not None for module in EXPORTERS)


def find_cross_encoder(model: str, *, offline: bool = False) -> ModelFolder:
    """Returns the folder of a cross-encoder.

    It is looked for as a local folder, in the local Hugging Face cache, and on the hub. A folder that exists is used or
    refused, never passed over.

    Args:
        model: A folder's path, or a model's name; one without an organization is of "cross-encoder".
        offline: Never ask the hub.

    Raises:
        InvalidArgumentError: The name is empty.
        ModelNotFoundError: The model can't be had; the message lists what was tried.
    """
    if not isinstance(model, str) or not model.strip():
        raise InvalidArgumentError(f"a cross-encoder's name or folder must be a string with content, got {model!r}")
    return look_up(model, read_cross_encoder, what="cross-encoder", organization=DEFAULT_ORGANIZATION, offline=offline)

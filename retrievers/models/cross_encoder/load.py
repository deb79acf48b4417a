"""Loads cross-encoders: finds the model, chooses what runs it."""

from __future__ import annotations

from ..backend import Backend, check_backend, openvino_precision
from ..compute import DType, device_name
from ..folder import ModelFolder
from ..lookup import look_up
from .checkpoint import read_cross_encoder
from .openvino import OpenVINOPairs, openvino_refusal
from .pairs import PairScorer
from .sentence_transformers import SentenceTransformersPairs

__all__ = ["find_cross_encoder", "load_cross_encoder"]

DEFAULT_ORGANIZATION = "cross-encoder"  # of a name without one, as sentence-transformers has it


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
        dtype: What to compute in; "auto" is bfloat16 where CPU or GPU has it, float16 on other CUDA GPUs, else float32.
        offline: Never ask the hub.
        backend: "torch" is sentence-transformers. "openvino" exports the model once and then scores without torch, on
            the CPU, in "float32", or in "bfloat16" where the CPU has it. "auto" is "openvino" where the extra of this
            name is installed, no GPU is at hand and the model is a transformer with its own head, else "torch".

    Raises:
        InvalidArgumentError: The name is empty, the dtype or the backend is none of those offered, or "openvino" was
            asked for by name and can't serve this model, device or dtype.
        MissingExtraError: "openvino" was asked for by name and is not installed.
        ModelNotFoundError: The model can't be had or is none that gives one score; the message lists what was tried.
    """
    check_backend(backend)
    device = device_name(device)
    folder = find_cross_encoder(model, offline=offline)
    checkpoint = read_cross_encoder(folder.path)
    scorer = SentenceTransformersPairs(folder, checkpoint, device=device, dtype=dtype)
    precision = openvino_precision(
        folder.name, backend, lambda: openvino_refusal(checkpoint), device=device, dtype=dtype
    )
    if precision is None:
        return scorer
    return OpenVINOPairs(scorer, precision=precision, fall_back=backend == "auto")


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
    return look_up(model, read_cross_encoder, what="cross-encoder", organization=DEFAULT_ORGANIZATION, offline=offline)

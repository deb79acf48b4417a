"""Transformers exported to OpenVINO once, kept in the user's cache under the hash of what they were made from."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping, Set
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ....errors import ModelNotFoundError
from ...cache_folder import cache_folder
from ..fingerprint import file_sha256
from ..folder import ModelModule
from .child import alone, last_line, run_child

__all__ = [
    "MANIFEST",
    "MODEL",
    "TOKENIZER",
    "Task",
    "export_folder",
    "export_transformer",
    "is_whole",
    "put_in_place",
    "write_manifest",
]

Task: TypeAlias = Literal["feature-extraction", "sequence-classification"]

MODEL = "model.xml"
TOKENIZER = "tokenizer.json"
MANIFEST = "export.json"
NEEDED = frozenset({MODEL, TOKENIZER})
REFUSED = "refused.json"
VERSION = 1  # of what an export holds: another one makes every model be exported again
LIBRARIES = (
    "openvino",
    "optimum-intel",
    "sentence-transformers",
    "transformers",
)  # they decide what the graph computes
SETTINGS = ("*.json", "*.txt", "*.model")  # of the model and its tokenizer, beside the weights
NOT_ITS_OWN = ("modules.json", "config_sentence_transformers.json")  # what comes behind it and before its texts
KEY_CHARS = 32  # 128 bits

logger = logging.getLogger(__name__)


def export_transformer(transformer: ModelModule, *, task: Task = "feature-extraction") -> Path:
    """Returns the folder of a transformer in OpenVINO's form, exported by a process of its own if it is not there yet.

    It holds the graph in float32 and the tokenizer exactly as sentence-transformers sets it up. The process that
    exports compares the two runtimes on a few texts, and refuses a model of which they say different things. Processes
    that ask at once wait for the first. A damaged export is made anew; a model that was refused is not tried again
    until it or one of the libraries changes.

    Args:
        transformer: The module with the weights.
        task: What comes out: token vectors, or the logits of a cross-encoder.

    Raises:
        ModelNotFoundError: The model can't be exported, or the cache can't be written; the message is one line.
    """
    folder = export_folder(transformer, task)
    if is_whole(folder):
        return folder
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(folder, f"exporting the model in {transformer.path} to OpenVINO"):
            if not is_whole(folder):
                _export(transformer, task, folder)
    except OSError as err:
        raise ModelNotFoundError(f"{folder.parent} can't keep the exported model: {err}") from err
    return folder


def export_folder(transformer: ModelModule, task: Task) -> Path:
    """Returns where a transformer's export is or would be: other weights, settings, tokenizers or libraries, elsewhere.

    Args:
        transformer: The module with the weights; what comes behind it, and prompts, make no difference.
        task: What comes out.

    Raises:
        ModelNotFoundError: The user has no home to hold it.
    """
    found = {path for pattern in SETTINGS for path in transformer.path.glob(pattern)}
    files = sorted({path for path in found if path.name not in NOT_ITS_OWN}.union(transformer.weights))
    described: dict[str, Any] = {
        "version": VERSION,
        "task": task,
        "libraries": {name: _version(name) for name in LIBRARIES},
        "files": {path.name: file_sha256(path) for path in files if path.is_file()},
    }
    key = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:KEY_CHARS]
    return cache_folder() / "openvino" / key


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def is_whole(folder: Path, needed: Set[str] = NEEDED) -> bool:
    """Returns whether every file of a folder is as it was written; one whose time of change differs is read again.

    Args:
        folder: With a manifest; see `write_manifest`.
        needed: What it must hold at least.
    """
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return needed <= files.keys() and all(_is_as_written(folder / name, files[name]) for name in files)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def _is_as_written(path: Path, written: Mapping[str, Any]) -> bool:
    stat = path.stat()
    if stat.st_size != written["bytes"]:
        return False
    return bool(stat.st_mtime_ns == written["changed"] or file_sha256(path) == written["sha256"])


def _export(transformer: ModelModule, task: Task, folder: Path) -> None:
    """Exports into a folder beside, which gets its name when it is whole; the caller holds the lock."""
    refused = folder.with_suffix(".refused")
    if refused.is_file():
        raise ModelNotFoundError(refused.read_text(encoding="utf-8", errors="replace"))
    for left in folder.parent.glob(f"{folder.name}.*.tmp"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    logger.info("exporting the model in %s to OpenVINO, once: it takes from some seconds to minutes", transformer.path)
    unfinished = folder.with_suffix(f".{os.getpid()}.tmp")
    try:
        unfinished.mkdir(mode=0o700)
        _run_child(transformer.path, unfinished, task, refused)
        write_manifest(unfinished)
        put_in_place(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def put_in_place(made: Path, folder: Path) -> None:
    """Gives a folder that is whole its name. What bore the name is away for no longer than a rename takes."""
    old = folder.with_name(f"{folder.name}.old.{os.getpid()}.tmp")
    with suppress(FileNotFoundError):
        folder.rename(old)
    made.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _run_child(place: Path, out: Path, task: Task, refused: Path) -> None:
    module = __name__.rpartition(".")[0] + ".export_process"
    done = run_child(module, str(place.absolute()), str(out.absolute()), task, what=f"exporting {place}")
    if done.returncode == 0:
        return
    reason = f"{place} can't be exported to OpenVINO: {last_line(done, out)}"
    if (out / REFUSED).is_file():
        (out / REFUSED).write_text(reason, encoding="utf-8")
        (out / REFUSED).replace(refused)
    raise ModelNotFoundError(reason)


def write_manifest(folder: Path) -> None:
    """Writes what a folder's files are, once they are on disk."""
    written: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        stat = path.stat()
        written[path.name] = {"bytes": stat.st_size, "changed": stat.st_mtime_ns, "sha256": file_sha256(path)}
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump({"version": VERSION, "files": written}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())

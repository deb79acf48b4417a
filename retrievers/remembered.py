"""Numbers that take long to measure and never change, kept in the user's cache for the next process."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import ModelNotFoundError
from .cache_folder import cache_folder

__all__ = ["recall", "remember"]

VERSION = 1  # of these files
KEY_CHARS = 32  # 128 bits
LARGEST_FILE = 4_096  # bytes; ours have 300
CPU_INFO = Path("/proc/cpuinfo")
CPU_LINES = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")  # they decide how a sum is rounded
LIBRARIES = ("lateral", "numpy", "openvino", "tokenizers")  # what numbers are computed with


def recall(name: str, depends_on: Mapping[str, Any]) -> tuple[float, ...] | None:
    """Returns the numbers that were remembered under a name and all that they depend on, to the last digit.

    None where nothing is remembered, or what is there is not what was written: whoever asks then measures.

    Args:
        name: Of the kind of numbers.
        depends_on: What changes them, as JSON values; this machine and the libraries are added to it.
    """
    try:
        path, key = _place(name, depends_on)
        with path.open("rb") as file:
            found = json.loads(file.read(LARGEST_FILE))
        numbers = found["numbers"]
        if found != _entry(key, numbers) or not all(type(number) is float for number in numbers):
            return None
        return tuple(numbers) if all(map(math.isfinite, numbers)) else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError, ModelNotFoundError):
        return None


def remember(name: str, depends_on: Mapping[str, Any], numbers: Sequence[float]) -> None:
    """Keeps numbers for `recall`; does nothing where the cache can't be written.

    Args:
        name: Of the kind of numbers.
        depends_on: As for `recall`.
        numbers: Finite ones.
    """
    with contextlib.suppress(OSError, ModelNotFoundError):
        path, key = _place(name, depends_on)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(prefix=f"{path.stem}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(_entry(key, list(numbers)), file)
            os.replace(unfinished, path)
        except BaseException:
            os.unlink(unfinished)
            raise


def _place(name: str, depends_on: Mapping[str, Any]) -> tuple[Path, str]:
    """Returns the file, and the key that it has to hold."""
    described = {
        "version": VERSION,
        "name": name,
        "machine": _machine(),
        "libraries": {library: _version(library) for library in LIBRARIES},
        "depends_on": depends_on,
    }
    key = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    return cache_folder() / name / f"{key[:KEY_CHARS]}.json", key


def _entry(key: str, numbers: Sequence[float]) -> dict[str, Any]:
    """Returns what a file holds: with a hash, as a digit that is damaged is a number like any other."""
    text = json.dumps([key, list(numbers)])
    return {"key": key, "numbers": list(numbers), "sha256": hashlib.sha256(text.encode()).hexdigest()}


@lru_cache(maxsize=1)
def _machine() -> list[str]:
    """Returns what is known of the CPU: a cache may be shared by several machines."""
    lines = [platform.system(), platform.machine()]
    with contextlib.suppress(OSError), CPU_INFO.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.strip():  # the next core's lines follow
                break
            if line.partition(":")[0].strip() in CPU_LINES:
                lines.append(line.strip())
    return lines


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""

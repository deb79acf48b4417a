"""Graphs compiled for one lone text, kept on disk: to read one takes half as long as to compile it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from ....errors import ModelNotFoundError
from ..compute import cpu_flags
from ..fingerprint import file_sha256

if TYPE_CHECKING:
    from openvino import CompiledModel  # type: ignore[import-untyped]

__all__ = ["WITHOUT_WEIGHTS", "CompiledFiles"]

WITHOUT_WEIGHTS = {"CACHE_MODE": "OPTIMIZE_SIZE"}  # compiled with it, a graph is written as half a megabyte
KEY_CHARS = 32  # 128 bits
# Bytes of what is kept. MiniLM takes 0.5 MB; in int8, where OpenVINO 2026.4.1 writes the weights all the same, 48 MB.
LARGEST = 4 << 20
DIGEST_BYTES = hashlib.sha256().digest_size

logger = logging.getLogger(__name__)


class CompiledFiles:
    """What was compiled of a graph for one text of some length, in files beside it, without its weights.

    OpenVINO's own cache (CACHE_DIR) is not for us: 2026.4.1 takes what was compiled in float32 for bfloat16, too, and
    does not notice a damaged file. A file here is named after all that decides what is compiled, begins with the
    SHA-256 of the rest, and was read back once: what computes other numbers than the graph it was made of, to the last
    bit, is not kept, nor is what holds weights. What can't be read, or written, is compiled as if there were no file.

    Args:
        graph: The graph's .xml file, its weights in a .bin file beside it.
        manifest: A file beside it that changes with either.
        settings: What the graph is compiled with.
        openvino: The module.

    Raises:
        ModelNotFoundError: The manifest can't be read.
    """

    def __init__(self, graph: Path, manifest: Path, settings: Mapping[str, object], openvino: ModuleType) -> None:
        self._graph = graph
        self._manifest = manifest
        self._settings = {**settings, **WITHOUT_WEIGHTS, "WEIGHTS_PATH": str(graph.with_suffix(".bin"))}
        self._openvino = openvino
        try:
            self._state = file_sha256(manifest)
        except OSError as err:
            raise ModelNotFoundError(f"{manifest} can't be read: {err}") from err
        cpu = [openvino.Core().get_property("CPU", "FULL_DEVICE_NAME"), *cpu_flags(), os.cpu_count()]
        decisive = json.dumps([self._state, self._settings, openvino.get_version(), cpu], sort_keys=True)
        self._key = hashlib.sha256(decisive.encode()).hexdigest()[:KEY_CHARS]

    def read(self, length: int) -> CompiledModel | None:
        """Returns what was compiled for a text of a length in tokens, None where nothing was kept."""
        kept = self._kept(length)
        return self._imported(kept) if kept else None

    def keep(self, length: int, model: CompiledModel) -> None:
        """Keeps what was compiled, `WITHOUT_WEIGHTS`, for a text of a length; nothing where that was tried before."""
        if self._kept(length) is not None or not self._is_current():
            return
        body = b""
        try:
            written: bytes = model.export_model().getvalue()
            again = self._imported(written) if len(written) <= LARGEST else None
            if again is not None and _computes_alike(model, again, length):
                body = written
        except RuntimeError as err:
            logger.debug("what was compiled of %s can't be kept: %s", self._graph, err)
        path = self._path(length)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}-{get_ident()}.tmp")
        try:
            unfinished.write_bytes(hashlib.sha256(body).digest() + body)
            unfinished.replace(path)
        except OSError as err:
            logger.debug("%s can't be kept: %s", path, err)
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def _kept(self, length: int) -> bytes | None:
        """Returns what stands in a length's file: nothing for what was not worth keeping; None without a file."""
        try:
            found = self._path(length).read_bytes()
        except OSError:
            return None
        digest, body = found[:DIGEST_BYTES], found[DIGEST_BYTES:]
        return body if hashlib.sha256(body).digest() == digest else None

    def _imported(self, written: bytes) -> CompiledModel | None:
        """Returns a graph that was written, with the weights of the one it was compiled of; None if they are gone."""
        try:
            model = self._openvino.Core().import_model(written, "CPU", self._settings)
        except RuntimeError as err:
            logger.debug("what was compiled of %s can't be read: %s", self._graph, err)
            return None
        return model if self._is_current() else None

    def _is_current(self) -> bool:
        """Returns whether the weights on disk are those of the graph that was read at first."""
        try:
            return file_sha256(self._manifest) == self._state
        except OSError:
            return False

    def _path(self, length: int) -> Path:
        return self._graph.with_name(f"compiled-{length}-{self._key}.blob")


def _computes_alike(model: CompiledModel, again: CompiledModel, length: int) -> bool:
    """Returns whether two graphs make the same of a text, to the last bit, its last token padding."""
    ones = np.ones((1, length), np.int64)
    known = {"input_ids": np.arange(length)[None], "attention_mask": np.where(ones.cumsum() < length, ones, 0)}
    results = []
    for it in (model, again):
        inputs = {port.get_any_name(): known.get(port.get_any_name(), 0 * ones) for port in it.inputs}
        found = it.create_infer_request().infer(inputs)
        results.append({port.get_any_name(): found[port] for port in it.outputs})
    first, second = results
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)

"""PLAID's build, in a process of its own.

colbert-ai and faiss print, set the seeds of the whole process, take gigabytes that are not given back, and can be ended
by the system for it. So a generation is built where nothing else lives, and tried there before it is published.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..parent import end_with_parent
from ..retriever import VectorSpace
from ..store import Index
from .generation import STORE, Generation, PlaidFailed, write_generation
from .texts import IndexedTexts, open_texts

__all__ = ["BuildJob", "build_apart", "serve"]

LAST_WORDS_BYTES = 4_000
REASON_CHARS = 500
PROBE_BYTES = 1 << 20  # what could not be written has filled the disk up to its last blocks
SAMPLES = 8
ASKED = 32  # of a text's own vectors, as many as a query has
NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}  # there colbert-ai compiles with nvcc, and faiss-cpu fails
# The child finds the same modules as this process, whatever its __main__ is; nothing of __main__ is run again.
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import serve; serve()"


@dataclass(frozen=True, slots=True)
class BuildJob:
    """What to build.

    Args:
        index: The index directory.
        generation: Of the index: another one is not built from.
        fingerprint: Of the space of the vectors.
        dim: Length of a vector.
        format: How the vectors are stored.
        bits: Of each dimension.
        folder: An empty folder to fill.
    """

    index: str
    generation: int
    fingerprint: str
    dim: int
    format: str
    bits: int
    folder: str


def build_apart(job: BuildJob) -> None:
    """Has a process of its own fill a folder with a generation, which it tries before it ends.

    Raises:
        PlaidFailed: The process failed; the message says how.
        OSError: The disk is full, or refuses to be written.
    """
    path = json.dumps([os.path.abspath(entry) for entry in sys.path])
    command = [sys.executable, "-P", "-c", _PROGRAM.format(module=__name__), path]
    environment = {**os.environ, **NO_GPU}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment
        )
        try:
            told, _ = process.communicate(json.dumps(asdict(job)).encode())
        finally:
            process.kill()
            process.wait()
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - LAST_WORDS_BYTES))
        words = errors.read().decode("utf-8", "replace").strip()
    try:
        _raise_if_failed(told, process.returncode, words)
    except PlaidFailed:
        _try_disk(Path(job.folder))
        raise


def serve() -> None:
    """Does the one job that stands on stdin; the program of the child. What it prints goes to stderr."""
    end_with_parent()
    threading.excepthook = _end
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        told: dict[str, object] = {}
        try:
            _build(BuildJob(**json.load(sys.stdin)))
        except PlaidFailed as err:
            told = {"failed": str(err)}
        except OSError as err:
            told = {"failed": str(err), "errno": err.errno, "file": err.filename}
        except Exception as err:  # whatever colbert-ai, faiss or torch raise
            told = {"failed": f"{type(err).__name__}: {err}"}
        json.dump(told, answer)


def _build(job: BuildJob) -> None:
    from .builder import write_plaid

    space = VectorSpace(job.fingerprint, job.dim, "", job.format)
    with Index(job.index).read() as snapshot:
        if snapshot.generation != job.generation:
            raise PlaidFailed(f"the index has moved on from generation {job.generation} to {snapshot.generation}")
        texts = open_texts(snapshot, space)  # its vectors stay mapped when the catalog is let go
    folder = Path(job.folder)
    (folder / STORE).mkdir()
    write_plaid(folder / STORE, texts, job.dim, job.bits)
    write_generation(folder, texts, job.fingerprint, job.bits)
    _try(Generation(folder), texts)


def _try(generation: Generation, texts: IndexedTexts) -> None:
    """Opens a generation and looks for some of its texts by their own vectors.

    Raises:
        PlaidFailed: It does not find them.
    """
    import numpy as np

    from .opened import OpenedPlaid

    opened = OpenedPlaid(generation)
    everything = np.ones(len(texts.filled), np.bool_)
    chosen = np.linspace(0, len(texts.filled) - 1, SAMPLES).astype(np.int64)
    found = sum(
        place in opened.candidates(texts.search.tokens(texts.filled[place : place + 1])[:ASKED], SAMPLES, everything)
        for place in chosen
    )
    if 2 * found < SAMPLES:  # it is approximate: it may miss some
        raise PlaidFailed(f"it finds {found} of {SAMPLES} texts by their own vectors")


def _raise_if_failed(told: bytes, status: int, words: str) -> None:
    try:
        failed: dict[str, Any] = json.loads(told)
    except ValueError:
        ending = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        failed = {"failed": f"its process ended with {ending}: {words[-REASON_CHARS:] or 'no last words'}"}
    if failed.get("errno") is not None:
        raise OSError(failed["errno"], os.strerror(failed["errno"]), failed.get("file"))
    if "failed" in failed:
        raise PlaidFailed(str(failed["failed"])[-REASON_CHARS:])


def _try_disk(folder: Path) -> None:
    """Writes a little: what torch and colbert-ai say of a full disk names neither the disk nor a number.

    Raises:
        OSError: The disk is full, or refuses to be written.
    """
    path = folder / "probe"
    with path.open("wb") as file:
        file.write(bytes(PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _end(thread: threading.ExceptHookArgs) -> None:
    """Ends the process when one of its threads fails: colbert-ai writes files in one, and waits for it for ever."""
    sys.stderr.write(f"{thread.exc_type.__name__}: {thread.exc_value}\n")
    sys.stderr.flush()
    os._exit(1)

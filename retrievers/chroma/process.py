"""Chroma in a process of its own: there a generation is built, and there one is opened for the first time.

A damaged store can end the process that opens it, and one that was killed while writing may never open again. So a
generation is built where nothing else lives, closed, and tried in another process before a reader opens it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from ..parent import end_with_parent
from .collection import SPACE, Batch, ChromaFailed, check_collection
from .folder import CATALOG, COLLECTION, EmbeddedCollection, closing_client, nodes_of, refuse_functions
from .scratch import scratch_folder

if TYPE_CHECKING:
    from chromadb.api.collection_configuration import CreateCollectionConfiguration, UpdateCollectionConfiguration
    from chromadb.api.models.Collection import Collection

__all__ = ["build_folder", "check_folder", "serve"]

BATCH_ROWS = 1_000  # about 2 s of building the graph: how soon a child without a parent ends where no signal tells it
STEP_SECONDS = 120  # for one batch, or one opening: 60 times what they take
LAST_WORDS_BYTES = 2_000
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import serve; serve()"

Json: TypeAlias = dict[str, Any]


def build_folder(
    folder: Path, batches: Iterable[Batch], *, adding: int, base: Path | None = None, gone: Sequence[str] = ()
) -> None:
    """Fills a folder with a closed and complete Chroma store.

    Args:
        folder: A folder that is not there yet.
        batches: Ids and vectors to put in: float32, shape (len(ids), dim), at most `BATCH_ROWS` rows each.
        adding: How many vectors there are in all batches.
        base: An intact store to begin with, None for an empty one. It is copied, and stays as it is.
        gone: The ids of the base that are left out.

    Raises:
        ChromaFailed: The process failed; the message says how.
        OSError: The folder can't be made.
    """
    if base is not None:
        shutil.copytree(base, folder)
    changes = adding + len(gone)
    job = {"job": "build", "folder": str(folder), "gone": list(gone), "based": base is not None, "changes": changes}
    _run(job, batches)


def check_folder(folder: Path, count: int, known: Batch) -> None:
    """Opens a store in a process of its own and asks it for vectors that it should hold.

    Args:
        folder: A folder that `build_folder` made.
        count: How many vectors it should hold.
        known: Some of its ids and their vectors.

    Raises:
        ChromaFailed: The process crashed, hung, or got other answers.
        OSError: The temporary folder can't be written.
    """
    # Made here: a child that is ended by what it opens leaves its copy of the catalog behind.
    with scratch_folder() as scratch:
        _run({"job": "check", "folder": str(folder), "count": count, "scratch": str(scratch)}, [known])


def serve() -> None:
    """Does the one job that stands on stdin; the program of the child."""
    end_with_parent()
    signal.alarm(STEP_SECONDS)  # the default action ends the process, in native code too
    job = json.loads(sys.stdin.buffer.readline())
    try:
        {"build": _build, "check": _check}[job["job"]](job)
    except ChromaFailed as err:
        answer = {"failed": str(err)}
    except Exception as err:
        answer = {"failed": f"{type(err).__name__}: {err}"}
    else:
        answer = {}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _run(job: Json, batches: Iterable[Batch]) -> None:
    path = json.dumps([os.path.abspath(entry) for entry in sys.path])
    command = [sys.executable, "-P", "-c", _PROGRAM.format(module=__name__), path]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            _tell(process.stdin, job, batches)
            answer = process.stdout.read()
            status = process.wait()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - LAST_WORDS_BYTES))
        words = errors.read().decode("utf-8", "replace").strip()
    try:
        failed = json.loads(answer)
    except ValueError:
        failed = {"failed": f"its process ended with {_ending(status)}: {words[-200:] or 'no last words'}"}
    if "failed" in failed:
        raise ChromaFailed(str(failed["failed"])[:500])


def _tell(stdin: IO[bytes], job: Json, batches: Iterable[Batch]) -> None:
    try:
        stdin.write(json.dumps(job).encode() + b"\n")
        for ids, vectors in batches:
            stdin.write(json.dumps({"ids": ids, "dim": vectors.shape[1]}).encode() + b"\n")
            stdin.write(np.ascontiguousarray(vectors, np.float32).tobytes())
        stdin.write(b"\n")
        stdin.flush()
    except BrokenPipeError:
        pass  # it has ended: its answer says why
    finally:
        with suppress(BrokenPipeError):
            stdin.close()


def _ending(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _batches() -> Iterable[Batch]:
    """Yields what comes in; ends the process when it breaks off, since its parent is gone then."""
    stdin = sys.stdin.buffer
    while (line := stdin.readline()) != b"\n":
        head = json.loads(line or b"null")
        wanted = 0 if head is None else len(head["ids"]) * head["dim"] * 4
        raw = stdin.read(wanted)
        if head is None or len(raw) < wanted:
            os._exit(1)
        yield head["ids"], np.frombuffer(raw, np.float32).reshape(len(head["ids"]), head["dim"])
        signal.alarm(STEP_SECONDS)


def _build(job: Json) -> None:
    folder, changes = Path(job["folder"]), job["changes"]
    folder.mkdir(exist_ok=True)
    # The graph goes to the disk with the last change, and not before: what is written in between is written twice.
    sync = {"sync_threshold": max(2, changes), "batch_size": max(2, min(100, changes))}
    if job["based"]:
        refuse_functions(folder)
        with closing_client(folder) as client:
            nodes_of(client).modify(
                configuration=cast("UpdateCollectionConfiguration", {"hnsw": sync})
            )  # read when the store is next opened
    with closing_client(folder) as client:
        if job["based"]:
            collection = nodes_of(client)
        else:
            made = cast("CreateCollectionConfiguration", {"hnsw": {**SPACE, **sync}})
            collection = client.create_collection(COLLECTION, embedding_function=None, configuration=made)
        count = collection.count()
        count += _change(collection, min(BATCH_ROWS, client.get_max_batch_size()), job["gone"])
        if collection.count() != count:
            raise ChromaFailed(f"it holds {collection.count()} vectors, and {count} were put in")
    _seal(folder, 1 if changes == 1 else 0)


def _change(collection: Collection, rows: int, gone: list[str]) -> int:
    """Puts in and takes out; returns how many more vectors there are."""
    more = -len(gone)
    for start in range(0, len(gone), rows):
        signal.alarm(STEP_SECONDS)
        collection.delete(ids=gone[start : start + rows])
    for ids, vectors in _batches():
        for start in range(0, len(ids), rows):
            signal.alarm(STEP_SECONDS)
            collection.add(ids=ids[start : start + rows], embeddings=vectors[start : start + rows])
        more += len(ids)
    return more


def _seal(folder: Path, waiting: int) -> None:
    """Frees what the log of changes took, and sees that all of them are in the graph on the disk."""
    with closing(sqlite3.connect(folder / CATALOG, isolation_level=None)) as connection:
        connection.execute("VACUUM")
        behind = connection.execute("SELECT max(seq_id) - min(seq_id) FROM max_seq_id").fetchone()[0]
    if behind > waiting:
        raise ChromaFailed(f"its graph is {behind} changes behind its log")


def _check(job: Json) -> None:
    tempfile.tempdir = job["scratch"]
    (known,) = _batches()
    signal.alarm(STEP_SECONDS)
    with closing(EmbeddedCollection(Path(job["folder"]))) as collection:
        check_collection(collection, job["count"], known)

"""Runs a module of this package in a process of its own: what it loads and prints stays there."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from time import monotonic

from ....errors import ModelNotFoundError
from ...parent import end_with_parent
from ...stopping import raise_if_stopped

__all__ = ["alone", "last_line", "run_child"]

SECONDS = 1_800.0  # MiniLM takes 12 s, most of it imports; a model of 2 GB is some minutes of disk and memory
LOOK_EVERY = 0.2  # seconds, at whether this thread is stopped
REASON_CHARS = 300
LITTLE_ROOM = 4 << 20  # bytes: less than what can be written at once
INTERRUPTED = (-signal.SIGINT, 0xC000013A)  # how a child ends that Ctrl-C has reached, on POSIX and on Windows
# The child finds the same modules as this process, whatever its __main__ is; nothing of __main__ is run again.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {parent} import end_with_parent; end_with_parent(); "
    "from {module} import main; main(*sys.argv[2:])"
)

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Waits until no other process or thread makes a folder, and keeps others from it.

    Args:
        folder: What is made; the lock stands beside it.
        what: What is done, for the log, such as "exporting a model".

    Raises:
        CancelledError: This thread was stopped while it waited; see `lateral.retrievers.stopping`.
        OSError: The lock can't be made.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(f"{folder}.lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("another process or thread is %s: waiting for its end", what)
        while not lock.is_locked:
            raise_if_stopped()
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=LOOK_EVERY)
    try:
        yield
    finally:
        lock.release()


def run_child(module: str, *arguments: str, what: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a module's `main` with these arguments, and waits for its end.

    Args:
        module: Its full name.
        arguments: Strings, paths absolute.
        what: What it does, for the error, such as "exporting a model".

    Raises:
        ModelNotFoundError: It took too long.
        CancelledError: Ctrl-C ended it, which reaches every process of a terminal: the caller's main thread, too; or
            this thread was stopped (see `lateral.retrievers.stopping`), and it with it.
    """
    code = _PROGRAM.format(parent=end_with_parent.__module__, module=module)
    program = [sys.executable, "-P", "-c", code, json.dumps(_module_path()), *arguments]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}  # what it reads is at hand: nothing is asked for
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    deadline = monotonic() + SECONDS
    with subprocess.Popen(program, env=environment, stdin=nothing, stdout=pipe, stderr=pipe) as child:
        try:
            while (said := _said(child)) is None:
                raise_if_stopped()
                if monotonic() > deadline:
                    raise ModelNotFoundError(f"{what} took more than {SECONDS:.0f} s")
        except BaseException:
            child.kill()
            raise
    done = subprocess.CompletedProcess(program, child.returncode, *said)
    if done.returncode in INTERRUPTED:
        raise CancelledError(f"{what} was interrupted")
    return done


def _said(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes] | None:
    """Returns what a child wrote to stdout and stderr until its end, None while it runs."""
    try:
        return child.communicate(timeout=LOOK_EVERY)
    except subprocess.TimeoutExpired:
        return None


def last_line(done: subprocess.CompletedProcess[bytes], out: Path) -> str:
    """Returns the last line of what a child had to say of its failure, and whether it had room to write.

    Args:
        done: What `run_child` gave.
        out: Where the child wrote; OpenVINO's own words of a full disk name neither.
    """
    lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with exit code {done.returncode}"]
    free = shutil.disk_usage(out).free
    room = f" ({out.parent} has {free >> 10} kB left)" if free < LITTLE_ROOM else ""
    return lines[-1][:REASON_CHARS] + room


def _module_path() -> list[str]:
    """Returns where this process finds modules, the working directory by its name."""
    with contextlib.suppress(FileNotFoundError):  # the working directory was removed: nothing can be imported from it
        return [entry or os.getcwd() for entry in sys.path if isinstance(entry, str)]
    return [entry for entry in sys.path if isinstance(entry, str) and entry]

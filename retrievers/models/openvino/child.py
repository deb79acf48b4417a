"""Runs a module of this package in a process of its own: what it loads and prints stays there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import CancelledError

from ....errors import ModelNotFoundError

__all__ = ["last_line", "run_child"]

SECONDS = 1_800.0  # MiniLM takes 12 s, most of it imports; a model of 2 GB is some minutes of disk and memory
REASON_CHARS = 300
INTERRUPTED = (-signal.SIGINT, 0xC000013A)  # how a child ends that Ctrl-C has reached, on POSIX and on Windows
# The child finds the same modules as this process, whatever its __main__ is; nothing of __main__ is run again.
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import main; main(*sys.argv[2:])"


def run_child(module: str, *arguments: str, what: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a module's `main` with these arguments, and waits for its end.

    Args:
        module: Its full name.
        arguments: Strings, paths absolute.
        what: What it does, for the error, such as "exporting a model".

    Raises:
        ModelNotFoundError: It took too long.
        CancelledError: Ctrl-C ended it, which reaches every process of a terminal: the caller's main thread, too.
    """
    program = [sys.executable, "-P", "-c", _PROGRAM.format(module=module), json.dumps(_module_path())]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}  # what it reads is at hand: nothing is asked for
    try:
        done = subprocess.run(
            [*program, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as err:
        raise ModelNotFoundError(f"{what} took more than {SECONDS:.0f} s") from err
    if done.returncode in INTERRUPTED:
        raise CancelledError(f"{what} was interrupted")
    return done


def last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """Returns the last line of what a child had to say of its failure."""
    lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with exit code {done.returncode}"]
    return lines[-1][:REASON_CHARS]


def _module_path() -> list[str]:
    """Returns where this process finds modules, the working directory by its name."""
    with contextlib.suppress(FileNotFoundError):  # the working directory was removed: nothing can be imported from it
        return [entry or os.getcwd() for entry in sys.path if isinstance(entry, str)]
    return [entry for entry in sys.path if isinstance(entry, str) and entry]

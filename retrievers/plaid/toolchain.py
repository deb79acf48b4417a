"""What PLAID is compiled with: colbert-ai brings C++ that is built on the machine that runs it, once, in 90 seconds."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from ...errors import MissingToolError
from ...extras import require
from ..cache_folder import cache_folder

__all__ = ["check_toolchain", "compiling"]

COMPILER = "c++"  # what torch runs unless $CXX names another
PLACE = "TORCH_EXTENSIONS_DIR"
BATON = "lock"  # torch's own lock beside an extension that it compiles
LOCK = ".lateral.lock"


def check_toolchain() -> str:
    """Returns where what compiles colbert-ai's extensions is; they are looked over at each opening, so always.

    Nothing is run.

    Raises:
        MissingToolError: The C++ compiler, Python's headers or ninja is missing; says what installs it.
    """
    compiler = os.environ.get("CXX") or COMPILER
    found = shutil.which(compiler)
    if found is None:
        raise MissingToolError(
            f"PLAID needs a C++ compiler, and there is no {compiler!r}: `apt-get install g++`, or use index='exact'"
        )
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").is_file():
        raise MissingToolError(
            f"PLAID compiles against Python's headers, and '{headers}' has none: `apt-get install python3-dev`, or use "
            "index='exact'"
        )
    ninja = _ninja_folder()
    if ninja is None:
        raise MissingToolError(
            "PLAID needs ninja to compile, and there is none: `pip install ninja`, or use index='exact'"
        )
    return f"{found}, {headers / 'Python.h'}, {os.path.join(ninja, 'ninja')}"


@contextmanager
def compiling() -> Iterator[None]:
    """Lets torch compile extensions inside, or find those that it has compiled; one process at a time.

    Symptoms: torch finds no ninja in a virtual environment that is not activated; and when a process is killed while it
    compiles, every later one waits for ever for a file that it left. Cure: the environment's programs are on the path,
    and the extensions stand in a folder of lateral's own, where such a file is a dead one's whenever lateral's lock is
    free. Both variables are put back.

    Raises:
        MissingToolError: See `check_toolchain`.
        OSError: The folder can't be made.
    """
    check_toolchain()
    folder = _extensions_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):
        for baton in folder.glob(f"*/{BATON}"):
            baton.unlink()
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), _ninja_folder() or ""])
        with _environment({PLACE: str(folder), "PATH": path.rstrip(os.pathsep)}):
            yield


def _extensions_folder() -> Path:
    """Returns where the extensions stand: below what the user names for torch, or in lateral's cache."""
    torch = require("torch", extra="colbert")
    named = os.environ.get(PLACE)
    parent = Path(named) if named else cache_folder() / "torch-extensions"
    return parent / f"lateral-{sys.implementation.cache_tag}-torch-{torch.__version__}"


def _ninja_folder() -> str | None:
    """Returns the folder of the program: on the path, or beside this Python, where pip puts it."""
    beside = os.path.dirname(sys.executable)
    found = shutil.which("ninja") or shutil.which("ninja", path=beside)
    return None if found is None else os.path.dirname(found)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

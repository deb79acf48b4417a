"""What permissions refuse, even where the tests run as root."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def without_rights():
    """Drops root's rights, where the tests have them, until the block ends; modules are loaded before."""
    if os.getuid():
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@contextmanager
def folder_without_rights(mode=0o700):
    """A folder with this mode, whose owner the process is until the block ends: permissions bind it there."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, mode)
        if not os.getuid():
            os.chown(name, NOBODY, -1)
        with without_rights():
            yield Path(name)

"""Full disks, real ones and what passes for one."""

import resource
import subprocess
from contextlib import contextmanager, suppress

import pytest


@contextmanager
def no_file_longer_than(limit):
    """Makes the system refuse to write behind this offset of any file, as a full disk does, until the block ends."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def file_system(place, size="1m"):
    """Mounts a file system in memory; a test that another one covers is skipped where mounting is not permitted."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting is not permitted here; the tests with RLIMIT_FSIZE and without rights have run")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(ballast):
    """Writes zeros into a file until the disk is full."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))

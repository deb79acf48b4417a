"""Temporary folders: they end with who made them, however that ends."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from lateral.retrievers.chroma.scratch import NEW_SECONDS, PREFIX, keep_scratch, scratch_folder

MAKES_ONE = """
import sys, time
from lateral.retrievers.chroma.scratch import keep_scratch
class Owner: pass
owner = Owner()
print(keep_scratch(owner)[0], flush=True)
time.sleep(60)
"""


class Owner:
    """What needs a folder."""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def another_process(temporary):
    """A process that has a folder of its own; gives both."""
    command = [sys.executable, "-c", MAKES_ONE]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)}
    ) as it:
        try:
            folder = Path(it.stdout.readline().strip())
            (folder / "chroma.sqlite3").write_bytes(b"a copy")
            age(folder)
            yield it, folder
        finally:
            it.kill()


def age(folder):
    then = time.time() - NEW_SECONDS - 1
    os.utime(folder, (then, then))


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_killed_process_leaves_goes_with_the_next_folder(temporary, ending):
    with another_process(temporary) as (process, left):
        process.send_signal(ending)
        process.wait()
        assert left.is_dir()
    with scratch_folder() as folder:
        assert list(temporary.iterdir()) == [folder]
    assert list(temporary.iterdir()) == []


def test_a_living_process_keeps_its_folder(temporary):
    with another_process(temporary) as (_, kept), scratch_folder() as folder:
        assert sorted(temporary.iterdir()) == sorted([folder, kept])
        assert (kept / "chroma.sqlite3").is_file()


def test_a_folder_goes_with_its_owner_and_not_with_a_process_that_is_forked(temporary):
    owner = Owner()
    folder, remove = keep_scratch(owner)
    child = os.fork()
    if child == 0:
        remove()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert folder.is_dir()
    age(folder)
    with scratch_folder():
        assert folder.is_dir(), "the child's end has not unlocked it"
    del owner
    assert list(temporary.iterdir()) == []


def test_new_folders_links_and_other_names_are_left_alone(temporary):
    (temporary / "precious").mkdir()
    age(temporary / "precious")
    (temporary / f"{PREFIX}link").symlink_to(temporary / "precious")
    (temporary / f"{PREFIX}file").write_text("")
    (temporary / f"{PREFIX}new").mkdir()
    before = set(temporary.iterdir())
    with scratch_folder() as folder:
        assert set(temporary.iterdir()) == {*before, folder}
    assert set(temporary.iterdir()) == before

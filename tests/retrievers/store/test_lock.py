"""The writer's name beside the lock."""

import os
import subprocess
import sys

import pytest
from lateral.retrievers.store.lock import OWNER_FILE, write_lock, writer_pid


def test_the_writer_is_named_while_it_writes(tmp_path):
    with write_lock(tmp_path):
        assert writer_pid(tmp_path) == os.getpid()
    assert writer_pid(tmp_path) is None


def test_a_killed_writer_is_none(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from lateral.retrievers.store.lock import write_lock\n"
        "with write_lock(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60).returncode == -9
    assert (tmp_path / OWNER_FILE).exists()
    assert writer_pid(tmp_path) is None


def test_a_process_that_got_a_killed_writers_number_is_none(tmp_path):
    (tmp_path / OWNER_FILE).write_text(f"{os.getpid()} 1")  # began one tick after the machine
    assert writer_pid(tmp_path) is None


def test_a_name_without_its_beginning_is_believed(tmp_path):
    (tmp_path / OWNER_FILE).write_text(str(os.getpid()))
    assert writer_pid(tmp_path) == os.getpid()


def test_a_link_in_the_place_of_the_writers_name_leads_nowhere(tmp_path):
    (tmp_path / "index").mkdir()
    (tmp_path / "mine.txt").write_text("precious")
    (tmp_path / "index" / OWNER_FILE).symlink_to(tmp_path / "mine.txt")
    with write_lock(tmp_path / "index"):
        assert (tmp_path / "mine.txt").read_text() == "precious"
    assert (tmp_path / "mine.txt").read_text() == "precious"
    with write_lock(tmp_path / "index"):
        assert writer_pid(tmp_path / "index") == os.getpid(), "the link is gone"


@pytest.mark.parametrize("number", ["0", "-1", "99999999999999999999"])
def test_a_number_that_is_no_processs_names_nobody(tmp_path, number):
    (tmp_path / OWNER_FILE).write_text(number)
    assert writer_pid(tmp_path) is None

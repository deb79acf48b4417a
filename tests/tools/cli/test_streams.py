"""Where output goes: to a reader that leaves, to nobody, to a full disk, to a terminal without Unicode."""

import os
import subprocess

import pytest
from command_line import LATERAL, as_json, run


def test_output_survives_a_terminal_without_unicode(shared):
    for command in (("ask", "At how many degrees is green tea brewed?"), ("search", "tea"), ("status",)):
        done = run(shared, *command, PYTHONIOENCODING="ascii", LC_ALL="C")
        assert done.returncode == 0, done.stderr
        assert "tea" in done.stdout


def test_marks_are_words_where_the_terminal_has_no_marks(shared):
    shown = run(shared, "ask", "At how many degrees is green tea brewed?", PYTHONIOENCODING="ascii").stdout
    assert "[1] docs/tea.txt ok" in shown


def run_unread(home, *arguments, **environment):
    """Runs a command whose output nobody reads any more, as behind `| head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [LATERAL, *arguments],
        cwd=home,
        env={**os.environ, **environment},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    return done.returncode, done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_ends_the_command_quietly(home, unbuffered):
    for command in (("--help",), ("--version",), ("status", "--json"), ("add", "docs"), ("search", "tea"), ("status",)):
        assert run_unread(home, *command, PYTHONUNBUFFERED=unbuffered) == (141, ""), command
    assert as_json(home, "add", "docs")["unchanged"] == 2


@pytest.mark.parametrize(("closed", "command", "code"), [(1, "status --json", 3), (1, "--version", 0), (2, "serch", 2)])
def test_closed_streams_change_no_exit_code(home, closed, command, code):
    shell = f'exec "{LATERAL}" {command} {closed}>&-'
    done = subprocess.run(["sh", "-c", shell], cwd=home, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)


@pytest.mark.parametrize("command", ["status", "status --json", "--help"])
@pytest.mark.parametrize("also", ["", "2>&1"])
def test_a_full_disk_is_told_in_one_sentence(shared, command, also):
    shell = f'exec "{LATERAL}" {command} >/dev/full {also}'
    done = subprocess.run(["sh", "-c", shell], cwd=shared, capture_output=True, text=True, check=False)
    said = "" if also else "there is no room to write to (No space left on device): make some, and try again\n"
    assert (done.returncode, done.stderr) == (74, said)


@pytest.mark.parametrize("command", ["status", "search tea", "show tea.pdf"])
def test_a_working_directory_that_is_gone_is_told_in_one_sentence(home, command):
    shell = f'mkdir gone && cd gone && rmdir ../gone && exec "{LATERAL}" {command}'
    done = subprocess.run(["sh", "-c", shell], cwd=home, capture_output=True, text=True, check=False)
    said = "the working directory is gone: change to one that is there\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)

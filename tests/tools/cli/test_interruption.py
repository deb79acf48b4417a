import os
import signal
import subprocess
import sys

import pytest
from command_line import LATERAL, as_json, run
from judged_corpora import write_beir

GOES_ON = "interrupted: what was committed is safe, run the same command to go on"
BEGINS_ANEW = "interrupted: nothing is kept, the same command begins anew"
# Modules that stand before the real ones, so that Ctrl-C comes at a known moment.
INTERRUPTS = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
INTERRUPTED_AND_FAILS = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    raise ImportError("half of it is there")
"""
WAITS = "import time\ntime.sleep(60)\n"


@pytest.fixture
def before(tmp_path):
    """Writes a module that is imported in place of another; returns what the environment needs for it."""

    def write(name, code):
        folder = tmp_path / "before"
        folder.mkdir()
        (folder / name).write_text(code)
        return {"PYTHONPATH": str(folder)}

    return write


@pytest.mark.parametrize("command", [[LATERAL], [sys.executable, "-m", "lateral.tools.cli"]], ids=["script", "module"])
@pytest.mark.parametrize("modules", [5, 40, 80])
def test_ctrl_c_while_modules_are_imported_ends_it_without_a_word(home, before, command, modules):
    child = subprocess.Popen(
        [*command, "status"],
        cwd=home,
        env={**os.environ, **before("numpy.py", WAITS), "PYTHONPROFILEIMPORTTIME": "1"},  # which prints each import
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in child.stderr:
        if line.rsplit("|")[-1].strip() == "lateral.tools.cli":
            break
    for _ in range(modules):
        child.stderr.readline()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    told = [line for line in err.splitlines() if not line.startswith("import time:")]
    assert (child.returncode, out) == (130, "")
    assert told in ([], ["", GOES_ON]), "where the machine is slow it may have come to NumPy"


def test_ctrl_c_that_an_import_takes_for_a_missing_package_is_an_interruption_all_the_same(indexed, before):
    done = run(indexed, "search", "tea", **before("bm25s.py", INTERRUPTED_AND_FAILS))
    assert (done.returncode, " ".join(done.stderr.split())) == (130, GOES_ON)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "docs"), GOES_ON),
        (("evaluate", "tiny"), f"{BEGINS_ANEW} (--index DIR keeps what is indexed)"),
        (("compare", "tiny"), f"{BEGINS_ANEW} (--index DIR keeps what is indexed)"),
        (("evaluate", "tiny", "--index", "kept"), GOES_ON),
        (("compare", "tiny", "--index", "kept"), GOES_ON),
        (("questions", "docs", "--out", "made.jsonl"), BEGINS_ANEW),
        (("estimate", "docs"), BEGINS_ANEW),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, tuple) else "",
)
def test_it_goes_on_only_where_something_is_kept(home, before, arguments, words):
    write_beir(home / "tiny")
    interrupted = before("numpy.py", INTERRUPTS)
    done = run(home, *arguments, **interrupted)
    assert (done.returncode, " ".join(done.stderr.split())) == (130, words)
    error = as_json(home, *arguments, code=130, **interrupted)["error"]
    assert error == {"type": "Interrupted", "message": words}

"""Processes that do one thing for a model, and what waits for them."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest
from lateral.retrievers.models.openvino.child import alone, run_child
from lateral.retrievers.stopping import heed

WAITS = """
import os, sys, time

def main(path):
    print("out"); print("err", file=sys.stderr)
    with open(path + ".tmp", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".tmp", path)
    time.sleep(60)
"""
QUICK = """
import sys

def main(*words):
    print(*words)
    print("x" * 1_000_000, file=sys.stderr)
    sys.exit(3)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module that children can import; returns its name."""

    def write(code):
        (tmp_path / "job_of_a_child.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        return "job_of_a_child"

    return write


def number_in(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(path.read_text())


def ends(pid):
    """Returns whether a process, which need not be a child of this one, ends soon."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_what_a_child_says_is_handed_back_whole(module):
    done = run_child(module(QUICK), "a", "b c", what="trying")
    assert (done.returncode, done.stdout) == (3, b"a b c\n")
    assert done.stderr == b"x" * 1_000_000 + b"\n"


def test_a_thread_that_is_stopped_takes_its_child_along(module, tmp_path):
    stop, name = threading.Event(), module(WAITS)
    with ThreadPoolExecutor(1, initializer=heed, initargs=(stop,)) as threads:
        running = threads.submit(run_child, name, str(tmp_path / "pid"), what="waiting")
        pid = number_in(tmp_path / "pid")
        stop.set()
        with pytest.raises(CancelledError):
            running.result(timeout=10)
    assert ends(pid)


def test_another_thread_that_is_stopped_does_not(module):
    stop = threading.Event()
    stop.set()
    with ThreadPoolExecutor(1, initializer=heed, initargs=(stop,)) as threads:
        threads.submit(int).result()
        assert run_child(module(QUICK), what="trying").returncode == 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_ended_takes_its_child_along(module, tmp_path, signal_number):
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
        "from lateral.retrievers.models.openvino.child import run_child; "
        f"run_child({module(WAITS)!r}, {str(tmp_path / 'pid')!r}, what='waiting')"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    pid = number_in(tmp_path / "pid")
    os.kill(parent.pid, signal_number)
    parent.wait(10)
    assert ends(pid)


def test_one_makes_a_folder_and_who_waits_for_it_says_so(tmp_path, caplog):
    order, inside, go_on = [], threading.Event(), threading.Event()

    def make(name):
        with alone(tmp_path / "made", "trying"):
            order.append(name)
            inside.set()
            assert go_on.wait(10)

    threads = [threading.Thread(target=make, args=(name,)) for name in ("first", "second")]
    threads[0].start()
    assert inside.wait(10)
    assert caplog.messages == []
    threads[1].start()
    while not caplog.messages:
        time.sleep(0.02)
    assert order == ["first"]
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second"]
    assert caplog.messages == ["another process or thread is trying: waiting for its end"]


def test_who_waits_can_be_stopped(tmp_path):
    stop = threading.Event()

    def make():
        with alone(tmp_path / "made", "trying"):
            pytest.fail("it is held")

    with (
        alone(tmp_path / "made", "holding it"),
        ThreadPoolExecutor(1, initializer=heed, initargs=(stop,)) as threads,
    ):
        waiting = threads.submit(make)
        time.sleep(0.3)
        assert not waiting.done()
        stop.set()
        with pytest.raises(CancelledError):
            waiting.result(timeout=10)
    with alone(tmp_path / "made", "trying"):
        pass

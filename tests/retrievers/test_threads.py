"""Threads that searches share."""

import multiprocessing
import subprocess
import sys
import threading

import pytest
from lateral.retrievers.threads import in_threads


def square(number):
    return number * number


def test_results_come_in_order():
    assert in_threads(square, range(50)) == [number * number for number in range(50)]


def test_a_lone_item_is_computed_by_the_caller():
    assert in_threads(lambda _: threading.current_thread(), [1]) == [threading.current_thread()]


def test_an_error_is_raised_once_the_others_have_ended():
    running, begun = threading.Semaphore(0), []

    def fail_at_three(number):
        begun.append(number)
        if number == 3:
            raise KeyError("three")
        running.acquire(timeout=0.01)
        return number

    with pytest.raises(KeyError, match="three"):
        in_threads(fail_at_three, range(1_000))
    ended = len(begun)
    assert ended < 1_000  # what nobody had begun was left out
    running.acquire(timeout=0.05)
    assert len(begun) == ended


def test_calls_within_calls_end():
    def outer(number):
        return sum(in_threads(square, range(number)))

    assert in_threads(outer, range(40)) == [sum(square(at) for at in range(number)) for number in range(40)]


def test_a_forked_child_has_threads_of_its_own():
    in_threads(square, range(4))  # the parent's are running
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(in_threads, (square, range(4))).get(30) == [0, 1, 4, 9]


def test_a_thread_that_outlives_the_main_one_computes_alone():
    code = """
import threading, time
from lateral.retrievers.threads import in_threads

def later():
    time.sleep(1)  # the main thread has ended, and with it the interpreter hands out no threads any more
    print(in_threads(abs, [-1, -2, -3]))

threading.Thread(target=later).start()
"""
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "[1, 2, 3]\n", ended.stderr


def test_an_error_of_one_of_many_threads_waits_for_the_others():
    code = """
import os, threading, time
os.cpu_count = lambda: 4
from lateral.retrievers.threads import in_threads

together, ended = threading.Barrier(4), []

def work(item):
    together.wait(30)
    name = threading.current_thread().name
    if name.endswith("_0"):
        raise KeyError(name)
    if name != "MainThread":
        time.sleep(0.5)
        ended.append(name)

try:
    in_threads(work, range(4))
except KeyError:
    print(len(ended))
"""
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "2\n", ended.stderr

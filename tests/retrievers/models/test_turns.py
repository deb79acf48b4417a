"""Threads that wait for each other."""

import signal
import subprocess
import sys
import threading
import time

import pytest
from lateral.retrievers.models.turns import Turns

INTERRUPTED = """
import threading
from lateral.retrievers.models.turns import Turns

turns, started, done = Turns(), threading.Event(), threading.Event()

def hold():
    with turns.turn():
        started.set()
        done.wait()

holder = threading.Thread(target=hold)
holder.start()
started.wait()
try:
    print("waiting", flush=True)
    with turns.turn():
        print("it is another thread's turn")
except KeyboardInterrupt:
    print("left")
done.set()
holder.join()
with turns.turn():
    print("it is its turn now")
"""


def test_who_has_more_to_do_goes_to_the_end():
    turns, order, started, queued = Turns(), [], threading.Event(), threading.Event()

    def long():
        for number in range(3):
            with turns.turn():
                started.set()
                queued.wait(10)
                order.append(number)

    def short():
        with turns.turn():
            order.append("short")

    threads = [threading.Thread(target=long), threading.Thread(target=short)]
    threads[0].start()
    assert started.wait(10)
    threads[1].start()
    time.sleep(0.3)  # it queues up
    queued.set()
    for thread in threads:
        thread.join(10)
    assert order == [0, "short", 1, 2]


def test_who_fails_lets_the_next_one_in():
    turns = Turns()
    with pytest.raises(ValueError, match="mine"), turns.turn():
        raise ValueError("mine")
    with turns.turn():
        pass


def test_who_is_interrupted_while_waiting_leaves_the_queue():
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "waiting\n"
        time.sleep(0.3)  # it queues up
        child.send_signal(signal.SIGINT)
        try:
            told, _ = child.communicate(timeout=60)
        finally:
            child.kill()
    assert told == "left\nit is its turn now\n"

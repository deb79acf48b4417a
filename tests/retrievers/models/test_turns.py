"""Threads that wait for each other."""

import os
import signal
import threading
import time

import pytest
from lateral.retrievers.models.turns import Turns


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
    turns, started, done = Turns(), threading.Event(), threading.Event()

    def hold():
        with turns.turn():
            started.set()
            done.wait(10)

    def interrupt():
        time.sleep(0.3)  # by then the main thread waits
        os.kill(os.getpid(), signal.SIGINT)

    holder = threading.Thread(target=hold)
    holder.start()
    assert started.wait(10)
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt), turns.turn():
        pytest.fail("it is another thread's turn")
    done.set()
    holder.join(10)
    with turns.turn():
        assert not holder.is_alive()

"""Threads that searches share."""

import multiprocessing
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

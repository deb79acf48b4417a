"""Threads that searches share."""

import multiprocessing
import threading

from lateral.retrievers.threads import in_threads


def square(number):
    return number * number


def test_results_come_in_order():
    assert in_threads(square, range(50)) == [number * number for number in range(50)]


def test_a_lone_item_is_computed_by_the_caller():
    assert in_threads(lambda _: threading.current_thread(), [1]) == [threading.current_thread()]


def test_a_forked_child_has_threads_of_its_own():
    in_threads(square, range(4))  # the parent's are running
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(in_threads, (square, range(4))).get(30) == [0, 1, 4, 9]

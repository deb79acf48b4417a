"""Batches of several threads through one model."""

import threading
import time

import pytest
from lateral.retrievers.models.colbert.encoder import in_turn


def test_a_thread_with_many_batches_lets_others_in_between():
    order, started, others_wait = [], threading.Event(), threading.Event()

    def forward(batch, _side):
        if batch == "long 0":
            started.set()
            others_wait.wait(10)
        order.append(batch)
        return batch

    run = in_turn(forward)
    long = threading.Thread(target=lambda: list(run([f"long {at}" for at in range(3)], "document")))
    short = threading.Thread(target=lambda: list(run(["short"], "query")))
    long.start()
    assert started.wait(10)
    short.start()
    time.sleep(0.3)  # it queues up
    others_wait.set()
    long.join(10)
    short.join(10)
    assert order == ["long 0", "short", "long 1", "long 2"]


def test_a_batch_that_fails_does_not_stop_the_next():
    def forward(batch, _side):
        if batch == "bad":
            raise ValueError("no such token")
        return batch

    run = in_turn(forward)
    with pytest.raises(ValueError, match="no such token"):
        list(run(["good", "bad"], "document"))
    assert list(run(["good"], "query")) == ["good"]

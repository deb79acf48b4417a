"""Batches of several threads through one model."""

import threading
import time

import numpy as np
import pytest
from lateral.retrievers.models.colbert.encoder import in_turn
from lateral.retrievers.models.openvino.token_batches import TokenBatch


def batch_of(number, texts=1):
    """Returns a batch of some texts of two tokens, whose ids are all one number."""
    return TokenBatch(
        list(range(texts)), [2] * texts, {name: np.full((texts, 2), number) for name in TokenBatch.INPUTS}
    )


def number_of(batch):
    return int(batch.inputs["input_ids"][0, 0])


def vectors_of(batch):
    return batch.inputs["input_ids"][:, :, None].astype(np.float32)


def test_a_thread_with_many_batches_lets_others_in_between():
    order, started, others_wait = [], threading.Event(), threading.Event()

    def forward(batch, _side):
        if number_of(batch) == 0:
            started.set()
            others_wait.wait(10)
        order.append(number_of(batch))
        return vectors_of(batch)

    run = in_turn(forward)
    long = threading.Thread(target=lambda: list(run([batch_of(number) for number in range(3)], "document")))
    short = threading.Thread(target=lambda: list(run([batch_of(9)], "query")))
    long.start()
    assert started.wait(10)
    short.start()
    time.sleep(0.3)  # it queues up
    others_wait.set()
    long.join(10)
    short.join(10)
    assert order == [0, 9, 1, 2]


def test_a_batch_that_fails_does_not_stop_the_next():
    def forward(batch, _side):
        if number_of(batch) == 1:
            raise ValueError("no such token")
        return vectors_of(batch)

    run = in_turn(forward)
    with pytest.raises(ValueError, match="no such token"):
        list(run([batch_of(0), batch_of(1)], "document"))
    assert [vectors.tolist() for vectors in run([batch_of(2)], "query")] == [[[[2], [2]]]]


def test_a_batch_that_memory_does_not_hold_is_computed_in_parts():
    import torch

    sizes = []

    def hold_three(batch, _side):
        sizes.append(len(batch.positions))
        if sizes[-1] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return vectors_of(batch)

    whole = batch_of(0, texts=8)
    whole.inputs["input_ids"][:] = np.arange(16).reshape(8, 2)
    (vectors,) = in_turn(hold_three)([whole], "document")
    np.testing.assert_array_equal(vectors, np.arange(16).reshape(8, 2, 1))
    assert sizes == [8, 4, 2, 2, 2, 2]

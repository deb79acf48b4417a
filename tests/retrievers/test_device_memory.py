import gc
import subprocess
import sys

import numpy as np
import pytest
import torch
from lateral.errors import EncodingError
from lateral.retrievers.device_memory import BatchRoom, free_device_memory

NO_TORCH = """
import sys
from lateral.retrievers.device_memory import free_device_memory
free_device_memory()
print("torch" in sys.modules)
"""


def test_torch_is_not_loaded_to_free_what_it_can_not_have_taken():
    done = subprocess.run([sys.executable, "-c", NO_TORCH], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_gpu_that_was_not_used_is_not_started():
    if not torch.cuda.is_initialized():
        free_device_memory()
        assert not torch.cuda.is_initialized()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_nobody_holds_goes_back_to_the_driver():
    gc.collect()
    before = torch.cuda.memory_reserved()
    holder = [torch.zeros(64 << 20, dtype=torch.uint8, device="cuda")]
    holder.append(holder)
    del holder
    assert torch.cuda.memory_reserved() > before
    free_device_memory()
    assert torch.cuda.memory_reserved() <= before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_a_gpu_does_not_hold_whole_is_computed_of_halves():
    tried = []

    def compute(rows):
        tried.append(rows.stop - rows.start)
        torch.zeros(tried[-1] << 38, dtype=torch.uint8, device="cuda") if tried[-1] > 2 else None
        return np.arange(rows.start, rows.stop, dtype=np.float32)

    assert list(BatchRoom().in_halves(compute, slice(0, 7), 10)) == list(range(7))
    assert tried == [7, 3, 1, 2, 2, 2]


def holding(rows_at_most, error):
    """Returns what computes each row's number and square, and notes the rows that it was asked for."""
    asked = []

    def compute(rows):
        asked.append((rows.start, rows.stop))
        if rows.stop - rows.start > rows_at_most:
            raise error
        at = np.arange(rows.start, rows.stop, dtype=np.float32)
        return np.stack([at, at * at], axis=1)

    return compute, asked


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 1.00 GB)."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_a_batch_that_finds_no_place_is_computed_of_halves(error):
    compute, asked = holding(2, error)
    found = BatchRoom().in_halves(compute, slice(0, 7), 10)
    assert found.tolist() == [[0, 0], [1, 1], [2, 4], [3, 9], [4, 16], [5, 25], [6, 36]]
    assert asked == [(0, 7), (0, 3), (0, 1), (1, 3), (3, 5), (5, 7)]  # four rows were not tried: three found no place


def test_a_batch_that_finds_its_place_is_computed_whole():
    compute, asked = holding(7, RuntimeError("never raised"))
    assert len(BatchRoom().in_halves(compute, slice(0, 7), 10)) == 7
    assert asked == [(0, 7)]


def test_a_row_that_finds_no_place_alone_is_an_error():
    compute, asked = holding(0, torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(EncodingError, match=r"no room for a single text \(CUDA out of memory\.\): .*device='cpu'"):
        BatchRoom().in_halves(compute, slice(0, 2), 10)
    assert asked == [(0, 2), (0, 1)]


def test_any_other_failure_is_not_tried_again():
    compute, asked = holding(2, RuntimeError("CUDA error: device-side assert triggered"))
    with pytest.raises(RuntimeError, match="device-side assert"):
        BatchRoom().in_halves(compute, slice(0, 7), 10)
    assert asked == [(0, 7)]


def test_what_was_refused_is_not_tried_again_for_a_minute():
    now = [0.0]
    room = BatchRoom(lambda: now[0])
    compute, asked = holding(4, torch.OutOfMemoryError("CUDA out of memory."))

    def sizes(rows, tokens):
        asked.clear()
        assert room.in_halves(compute, slice(0, rows), tokens)[:, 0].tolist() == list(range(rows))
        return [stop - start for start, stop in asked]

    assert sizes(8, 10) == [8, 4, 4]
    now[0] = 59.9
    assert sizes(8, 10) == [4, 4]
    assert sizes(4, 19) == [4]  # fewer tokens than were refused
    assert sizes(4, 20) == [2, 2]
    assert sizes(1, 999) == [1]
    now[0] = 60.1
    assert sizes(8, 10) == [8, 4, 4]


def test_what_finds_room_later_is_computed_whole():
    now = [0.0]
    room = BatchRoom(lambda: now[0])
    small, _ = holding(4, torch.OutOfMemoryError("CUDA out of memory."))
    room.in_halves(small, slice(0, 8), 10)
    large, asked = holding(8, RuntimeError("never raised"))
    now[0] = 61.0
    for _ in range(2):
        room.in_halves(large, slice(0, 8), 10)
    assert asked == [(0, 8), (0, 8)]

import gc
import subprocess
import sys

import pytest
import torch
from lateral.retrievers.device_memory import free_device_memory

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

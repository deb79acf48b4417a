import subprocess
import sys
import time

import numpy as np
from lateral.rag.evaluation.memory import PeakMemory

MB = 1_000_000


def test_a_peak_is_seen_though_the_memory_is_given_back():
    with PeakMemory() as before:
        pass  # it looks at once
    deadline = time.monotonic() + 10
    with PeakMemory() as memory:
        block = np.ones(200 * MB // 8)
        while memory.megabytes < before.megabytes + 150 and time.monotonic() < deadline:
            time.sleep(0.01)
        del block
    assert 150 < memory.megabytes - before.megabytes < 300
    with PeakMemory() as after:
        pass
    assert after.megabytes < memory.megabytes - 100


def test_the_memory_of_children_counts():
    with PeakMemory() as before:
        pass
    code = "import time; block = bytearray(b'x') * 100_000_000; time.sleep(1)"
    with PeakMemory() as memory:
        subprocess.run([sys.executable, "-c", code], check=True)
    assert memory.megabytes - before.megabytes > 90

"""Arrays as files: what was in them comes back, and what the disk refuses is said."""

import numpy as np
import pytest
from full_disks import no_file_longer_than
from lateral.retrievers.array_files import write_array


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.int64).reshape(3, 4),
        np.arange(12, dtype=np.float32).reshape(3, 4).T,
        np.array([b"a", b"bc\0d"], "S16"),
        np.zeros((0, 8), np.int8),
        np.zeros((5, 0), np.float32),
    ],
)
def test_what_is_written_is_read_row_by_row(tmp_path, array):
    write_array(tmp_path / "a.bin", array)
    assert np.array_equal(np.fromfile(tmp_path / "a.bin", array.dtype).reshape(array.shape), array)


@pytest.mark.parametrize("limit", [0, 1_000, 1_599])
def test_what_the_disk_refuses_is_an_error_to_the_last_byte(tmp_path, limit):
    with no_file_longer_than(limit), pytest.raises(OSError, match="File too large"):
        write_array(tmp_path / "a.bin", np.ones((2, 100), np.int64))
    with no_file_longer_than(1_600):
        write_array(tmp_path / "a.bin", np.ones((2, 100), np.int64))
    assert (tmp_path / "a.bin").stat().st_size == 1_600

"""Arrays as plain bytes in files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["write_array"]


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Writes an array's values, row by row, for `np.fromfile` or `np.memmap` to read.

    `ndarray.tofile` does not say when the disk refuses the last bytes that it has buffered: the file is cut then.

    Args:
        path: The file; one that is there is replaced.
        array: Of any shape, its dtype without objects.

    Raises:
        OSError: The disk is full, or refuses to be written.
    """
    with path.open("wb") as file:
        file.write(np.ascontiguousarray(array).data)

import numpy as np
from lateral.retrievers.products import Products, products_with
from lateral.retrievers.store.formats import view_packed

DIM = 8


def test_every_half_is_multiplied_as_it_is():
    """Each finite half stands in every column once; a column's own unit vector picks it out."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    for column in range(DIM):
        rows = np.zeros((len(halves), DIM), np.float16)
        rows[:, column] = halves
        rows.flags.writeable = False  # as a memory-mapped segment is
        found, error = products_with(
            np.eye(DIM, dtype=np.float32)[column], [Products(view_packed(rows, *rows.shape, "float16"))]
        )
        assert error == 0
        np.testing.assert_array_equal(found, halves.astype(np.float32))

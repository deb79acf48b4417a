import numpy as np
import pytest
from lateral.retrievers import products
from lateral.retrievers.products import Products, products_with, quantized
from lateral.retrievers.store.formats import StoredVectors, view_packed

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


@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize("dim", [1, 7, 33, 384, 1030])
def test_bytes_are_multiplied_without_loss_on_every_kind_of_cpu(monkeypatch, pairs, dim):
    monkeypatch.setattr(products, "multiplies_pairs", lambda: pairs)
    rng = np.random.default_rng(dim)
    codes = rng.integers(-127, 128, (257, dim), np.int8)
    scales = rng.random(257, np.float32) / 127
    query = rng.standard_normal(dim).astype(np.float32)
    query /= np.linalg.norm(query)
    found, _ = products_with(query, [Products(StoredVectors(codes, scales, "int8", dim))])
    byte_query, scale, _ = quantized(query[None])
    exact = codes.astype(np.int64) @ byte_query[0].astype(np.int64)
    np.testing.assert_allclose(found, exact * scales.astype(np.float64) * scale.astype(np.float64), rtol=3e-7)

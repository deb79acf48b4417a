import numpy as np
import pytest
from lateral.errors import InvalidArgumentError
from lateral.retrievers.store.formats import check_format, pack, packed_dtype, packed_shape, view_packed


def stored(vectors, form):
    packed = pack(vectors, form)
    assert packed.shape == packed_shape(*vectors.shape, form)
    assert packed.dtype == packed_dtype(form)
    return view_packed(packed, len(vectors), vectors.shape[1], form)


def unit_rows(count, dim, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_float32_comes_back_as_it_was():
    vectors = unit_rows(5, 16)
    assert (stored(vectors, "float32").decode(slice(None)) == vectors).all()


def test_float16_keeps_eleven_bits():
    vectors = unit_rows(5, 16)
    decoded = stored(vectors, "float16").decode(slice(None))
    assert decoded.dtype == np.float32
    assert np.abs(decoded - vectors).max() <= 2.0**-12  # half a step below 1


def test_bytes_have_a_scale_for_each_vector():
    vectors = np.array([[0.5, -1.0, 0.25, 0.0], [0.02, 0.012, -0.005, 0.0], [0, 0, 0, 0]], np.float32)
    kept = stored(vectors, "int8")
    assert kept.codes.tolist() == [[64, -127, 32, 0], [127, 76, -32, 0], [0, 0, 0, 0]]
    assert np.allclose(kept.scales, [1 / 127, 0.02 / 127, 0])
    assert np.allclose(kept.decode(np.array([1])), [[0.02, 0.02 * 76 / 127, -0.02 * 32 / 127, 0]])


@pytest.mark.parametrize(("rows", "dim"), [(0, 8), (1, 8), (3, 8), (1_000, 384), (7, 1)])
def test_bytes_and_their_scales_fit_whole_rows(rows, dim):
    vectors = unit_rows(rows, dim)
    kept = stored(vectors, "int8")
    assert len(kept) == rows
    assert (
        np.abs(kept.decode(slice(None)) - vectors).max(initial=0) <= 0.5 * np.abs(vectors).max(initial=0) / 127 + 1e-7
    )


def test_signs_are_the_corner_of_the_cube_that_is_nearest():
    vectors = np.array([[0.1, -0.9, 0.3, 0.2, -0.1, 0.1, -0.1, 0.0]], np.float32)
    kept = stored(vectors, "binary")
    assert kept.codes.tolist() == [[0b10110100]]
    assert np.allclose(kept.decode(slice(None)) * np.sqrt(8), [[1, -1, 1, 1, -1, 1, -1, -1]])
    assert np.allclose(np.linalg.norm(kept.decode(slice(None)), axis=1), 1)


def test_a_wrong_format_is_named():
    with pytest.raises(InvalidArgumentError, match="float32, float16, int8, binary, got 'float64'"):
        check_format("float64")
    with pytest.raises(InvalidArgumentError, match="multiple of 8, got 12"):
        check_format("binary", 12)

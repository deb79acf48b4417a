"""The hash embedder: deterministic everywhere, normalised, and it ranks by shared words."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.errors import InvalidArgumentError
from lateral.retrievers.hash_embedder import HashEmbedder
from lateral.retrievers.retriever import Encoder

SCRIPT = """
import sys
from lateral.retrievers.hash_embedder import HashEmbedder
print(HashEmbedder(8).encode_queries(["the quick brown fox"]).tolist())
assert "torch" not in sys.modules
"""


def test_text_that_shares_words_scores_higher():
    embedder = HashEmbedder()
    assert isinstance(embedder, Encoder)
    query = embedder.encode_queries(["How do snakes hunt?"])
    documents = embedder.encode_documents(["snakes hunt at night", "a tax form for small companies"])
    near, far = (documents @ query.T)[:, 0]
    assert near > far + 0.3


def test_vectors_are_equal_in_processes_with_other_hash_seeds():
    outputs = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        outputs.add(
            subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, check=True).stdout
        )
    assert outputs == {f"{HashEmbedder(8).encode_queries(['the quick brown fox']).tolist()}\n".encode()}


@given(st.lists(st.text(), max_size=4), st.integers(1, 100))
def test_rows_are_float32_and_of_length_one_or_zero(texts, dim):
    vectors = HashEmbedder(dim).encode_documents(texts)
    assert vectors.shape == (len(texts), dim)
    assert vectors.dtype == np.float32
    norms = np.linalg.norm(vectors, axis=1)
    assert np.all((np.abs(norms - 1) < 1e-5) | (norms == 0))


def test_case_is_ignored_and_text_without_words_is_zero():
    one, other, empty = HashEmbedder().encode_documents(["Fox", "fox!", "?!"])
    assert np.array_equal(one, other)
    assert not empty.any()


def test_words_beyond_the_limit_are_counted_and_cut():
    embedder = HashEmbedder()
    long = "word " * 512 + "cut"
    assert embedder.max_tokens == 512
    assert embedder.count_tokens([long, ""]) == [513, 0]
    assert np.array_equal(*embedder.encode_documents([long, "word " * 512]))


def test_space_depends_on_the_dimension_alone():
    assert HashEmbedder(32).space == HashEmbedder(32).space
    assert HashEmbedder(32).space.fingerprint != HashEmbedder(64).space.fingerprint
    assert HashEmbedder(32).space.dim == 32


@pytest.mark.parametrize("dim", [0, -1, 1.5, True])
def test_dimension_below_one_is_refused(dim):
    with pytest.raises(InvalidArgumentError, match="dim must be a whole number of at least 1"):
        HashEmbedder(dim)

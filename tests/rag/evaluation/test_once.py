import gc
import os
import warnings

import numpy as np
import pytest
from colbert_checkpoints import tiny_checkpoint
from lateral.rag.evaluation.once import encoded_once, tokens_encoded_once
from lateral.retrievers.hash_embedder import HashEmbedder
from lateral.retrievers.models.colbert import load_colbert
from lateral.retrievers.retriever import Encoder, TokenEncoder

TEXTS = ["green tea", "the kettle holds two litres", "green tea", "hönïg \ud83d"]


class Counting(HashEmbedder):
    """Counts the texts that it encodes."""

    encoded = asked = 0

    def encode_queries(self, texts):
        self.asked += len(texts)
        return super().encode_queries(texts)

    def encode_documents(self, texts):
        self.encoded += len(texts)
        return super().encode_documents(texts)


def test_a_document_is_encoded_once_and_its_vector_is_the_same_each_time(tmp_path):
    plain = Counting(64)
    once = encoded_once(plain, tmp_path)
    expected = HashEmbedder(64).encode_documents(TEXTS)
    np.testing.assert_array_equal(once.encode_documents(TEXTS), expected)
    np.testing.assert_array_equal(once.encode_documents(TEXTS[::-1]), expected[::-1])
    assert plain.encoded == 3  # one text stands there twice
    assert once.encode_documents([]).shape == (0, 64)


def test_queries_are_remembered_in_place_of_documents_where_that_is_wanted(tmp_path):
    plain = Counting(64)
    once = encoded_once(plain, tmp_path, side="query")
    expected = HashEmbedder(64).encode_queries(TEXTS)
    for _ in range(2):
        np.testing.assert_array_equal(once.encode_queries(TEXTS), expected)
        np.testing.assert_array_equal(once.encode_documents(TEXTS), HashEmbedder(64).encode_documents(TEXTS))
    assert plain.asked == 3


def test_all_else_is_the_encoders_own(tmp_path):
    plain = HashEmbedder(64)
    once = encoded_once(plain, tmp_path)
    assert isinstance(once, Encoder)
    assert not isinstance(once, TokenEncoder)
    assert (once.space, once.max_tokens) == (plain.space, plain.max_tokens)
    assert once.count_tokens(TEXTS) == plain.count_tokens(TEXTS)
    np.testing.assert_array_equal(once.encode_queries(["tea"]), plain.encode_queries(["tea"]))
    assert list(tmp_path.iterdir()) == []


def open_files():
    gc.collect()  # of this test's objects and of those that others left behind
    return len(os.listdir("/proc/self/fd"))


def test_the_file_is_closed_when_nobody_needs_it_any_more(tmp_path):
    before = open_files()
    once = encoded_once(HashEmbedder(64), tmp_path)
    once.encode_documents(TEXTS)
    assert open_files() == before + 1
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        del once
        assert open_files() == before
    assert [str(it.message) for it in told] == []


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return load_colbert(str(tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "colbert")))


def test_token_vectors_are_remembered_too(tmp_path, tokens):
    once = tokens_encoded_once(tokens, tmp_path)
    assert isinstance(once, TokenEncoder)
    first, again = once.encode_documents(TEXTS[:2]), once.encode_documents(TEXTS[:2])
    for expected, made, remembered in zip(tokens.encode_documents(TEXTS[:2]), first, again, strict=True):
        np.testing.assert_array_equal(made, remembered)
        np.testing.assert_allclose(made, expected, atol=1e-5)
    assert once.tokens("green tea", "document") == tokens.tokens("green tea", "document")
    assert (once.space, once.special_tokens) == (tokens.space, tokens.special_tokens)
    asked = tokens_encoded_once(tokens, tmp_path, side="query")
    for expected, remembered in zip(tokens.encode_queries(["tea"]), asked.encode_queries(["tea"]), strict=True):
        np.testing.assert_allclose(remembered, expected, atol=1e-5)

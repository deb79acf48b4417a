"""Vectors that are not of length 1 are refused: their scores would be cut, and rank by length."""

import numpy as np
import pytest
from builders import EMBEDDER
from lateral import RAG, BiEncoderRetriever
from lateral.errors import InvalidArgumentError
from lateral.retrievers.unit_vectors import check_normalised


class Longer:
    """An encoder that does not normalise."""

    space, max_tokens = EMBEDDER.space, EMBEDDER.max_tokens

    def __init__(self, documents, queries):
        self._lengths = {"documents": documents, "queries": queries}

    def count_tokens(self, texts):
        return EMBEDDER.count_tokens(texts)

    def encode_documents(self, texts):
        return EMBEDDER.encode_documents(texts) * np.float32(self._lengths["documents"])

    def encode_queries(self, texts):
        return EMBEDDER.encode_queries(texts) * np.float32(self._lengths["queries"])


def rag_with(tmp_path, documents=1, queries=1):
    return RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=Longer(documents, queries)),))


def test_documents_of_another_length_are_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"vectors of length 1, got one of length 3: L2-normalise them"):
        rag_with(tmp_path, documents=3).add([{"id": "a", "text": "boil the water"}])


def test_a_query_of_another_length_is_refused(tmp_path):
    rag_with(tmp_path).add([{"id": "a", "text": "boil the water"}])
    with pytest.raises(InvalidArgumentError, match=r"got one of length 0\.5"):
        rag_with(tmp_path, queries=0.5).retrieve("water")


@pytest.mark.parametrize("length", [0, 0.995, 1, 1.005])
def test_zero_and_what_rounding_to_16_bits_makes_pass(length):
    assert check_normalised(np.full((3, 4), length / 2, np.float32), "model") is None
    assert check_normalised(np.full(4, length / 2, np.float32), "model") is None


@pytest.mark.parametrize("length", [0.5, 0.98, 1.02])
@pytest.mark.parametrize("shape", [(4,), (3, 4)])
def test_any_other_length_is_refused(length, shape):
    with pytest.raises(InvalidArgumentError, match=f"got one of length {length:.3g}"):
        check_normalised(np.full(shape, length / 2, np.float32), "model")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("shape", [(4,), (1, 4)])
def test_what_is_not_finite_is_left_to_others(value, shape):
    assert check_normalised(np.full(shape, value, np.float32), "model") is None


def test_others_name_what_is_not_finite(tmp_path):
    with pytest.raises(InvalidArgumentError, match="must give finite matrices"):
        rag_with(tmp_path, documents=np.nan).add([{"id": "a", "text": "boil the water"}])

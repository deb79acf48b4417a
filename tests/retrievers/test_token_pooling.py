import numpy as np
import pytest
from colbert_checkpoints import tiny_checkpoint
from lateral import RAG
from lateral.errors import EncoderMismatchError, InvalidArgumentError
from lateral.retrievers.colbert import ColBERTRetriever
from lateral.retrievers.models.colbert import load_colbert
from lateral.retrievers.models.cures import cure_torchvision
from lateral.retrievers.token_pooling import PooledEncoder, pool_tokens, token_groups
from word_vectors import WordVectors


def unit_rows(count, dim=8, seed=0):
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return load_colbert(str(tiny_checkpoint(tmp_path_factory.mktemp("pooled") / "tiny")), offline=True)


def test_near_tokens_become_one_and_the_first_stays():
    matrix = np.array([[1, 0, 0], [0, 1, 0.02], [0, 1, -0.02], [0, 0, 1]], np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    assert token_groups(matrix, 1.5)[1] == token_groups(matrix, 1.5)[2]
    assert np.allclose(pool_tokens(matrix, 1.5), [[1, 0, 0], [0, 1, 0], [0, 0, 1]], atol=1e-6)


@pytest.mark.parametrize("factor", [1.5, 2, 3, 100])
@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_it_pools_as_sentence_transformers_does(factor, count):
    cure_torchvision()
    import torch
    from sentence_transformers.multi_vector_encoder.modules.token_pooling import _hierarchical_pool_one

    matrix = unit_rows(count, seed=count)
    expected = _hierarchical_pool_one(torch.tensor(matrix), factor, 1).numpy()
    pooled = pool_tokens(matrix, factor)
    assert pooled.shape == expected.shape
    assert np.allclose(sorted(pooled.tolist()), sorted(expected.tolist()), atol=1e-5)


def test_a_document_without_tokens_or_a_factor_of_one_stays_as_it_is():
    assert pool_tokens(unit_rows(0), 2).shape == (0, 8)
    assert pool_tokens(unit_rows(5), 1).tolist() == unit_rows(5).tolist()


def test_an_index_keeps_its_pool_factor_and_refuses_another(tmp_path, encoder):
    text = "Ball pythons eat mice and need a warm, dry hide. Handle the snake gently."
    path = tmp_path / "index"
    whole = RAG(tmp_path / "whole", retrievers=(ColBERTRetriever(encoder=encoder),))
    rag = RAG(path, retrievers=(ColBERTRetriever(encoder=encoder, pool_factor=2),))
    for it in (whole, rag):
        it.add({"id": "a", "text": text})
    many, few = (it.status().vectors["colbert"].vectors for it in (whole, rag))
    assert few == 1 + (many - 1) // 2
    assert rag.retrieve("snake")[0].node.source == "a"
    assert rag.status().retrievers["colbert"]["pool_factor"] == "2"
    with pytest.raises(EncoderMismatchError, match="another space"):
        RAG(path, retrievers=(ColBERTRetriever(encoder=encoder),)).retrieve("snake")


def test_a_pooled_row_stands_for_several_tokens(encoder):
    pooled = PooledEncoder(encoder, 3)
    assert pooled.calls_at_once == encoder.calls_at_once
    assert PooledEncoder(WordVectors(), 3).calls_at_once == 1
    names = pooled.tokens("ball pythons eat mice", "document")
    assert len(names) == len(pooled.encode_documents(["ball pythons eat mice"])[0])
    assert sorted(" ".join(names).split()) == sorted(encoder.tokens("ball pythons eat mice", "document"))
    assert pooled.tokens("mice?", "query") == encoder.tokens("mice?", "query")


@pytest.mark.parametrize("factor", [0, 0.5, -1, "two", None, float("nan")])
def test_a_wrong_factor_is_refused(factor, encoder):
    with pytest.raises(InvalidArgumentError, match="pool_factor must be a number of at least 1"):
        ColBERTRetriever(encoder=encoder, pool_factor=factor)


class BrokenVectors(WordVectors):
    """An encoder whose documents have a value that is not a number."""

    def encode_documents(self, texts):
        return [
            np.where(np.arange(matrix.size).reshape(matrix.shape) == 20, np.nan, matrix)
            for matrix in super().encode_documents(texts)
        ]


@pytest.mark.parametrize("factor", [1, 2])
def test_a_vector_that_is_not_finite_is_named_with_pooling_as_without(tmp_path, factor):
    rag = RAG(tmp_path, retrievers=(ColBERTRetriever(encoder=BrokenVectors(), pool_factor=factor),))
    with pytest.raises(InvalidArgumentError, match="must give finite matrices"):
        rag.add({"id": "a", "text": "alpha beta gamma delta"})

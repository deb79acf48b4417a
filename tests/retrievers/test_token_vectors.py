"""What only token vectors bring: texts without any, values too large, long queries, encoders of the wrong kind."""

import numpy as np
import pytest
from lateral import RAG, BiEncoderRetriever, BM25Retriever, ColBERTRetriever
from lateral.errors import EncoderMismatchError, IndexConfigError, InvalidArgumentError
from lateral.retrievers import HashEmbedder
from lateral.retrievers.retriever import VectorSpace
from lateral.retrievers.store import Index

DIM = 16


class WordVectors:
    """A late-interaction encoder without a model: a random unit vector for each word, none for a figure."""

    max_tokens = 1_000
    special_tokens = frozenset()

    def __init__(self, scale=1.0):
        self.scale = scale
        self.space = VectorSpace(f"words-{scale}", DIM, "words")

    def tokens(self, text, side):
        return [word for word in text.lower().split() if not word.isdigit()]

    def count_tokens(self, texts):
        return [len(text.split()) for text in texts]

    def encode_documents(self, texts):
        return [self._matrix(self.tokens(text, "document")) for text in texts]

    encode_queries = encode_documents

    def _matrix(self, words):
        rows = np.empty((len(words), DIM), np.float32)
        for row, word in zip(rows, words, strict=True):
            row[:] = np.random.default_rng(list(word.encode())).standard_normal(DIM)
            row *= self.scale / np.linalg.norm(row)
        return rows


@pytest.fixture
def rag(tmp_path):
    return RAG(tmp_path / "index", retrievers=(ColBERTRetriever(encoder=WordVectors()),))


def test_a_text_without_tokens_outlives_the_others_of_its_segment(rag):
    rag.add([{"id": "words", "text": "alpha beta gamma delta"}, {"id": "figures", "text": "1 2 3 4"}])
    rag.remove("words")
    rag.add({"id": "more", "text": "alpha beta"})
    assert [hit.node.source for hit in rag.retrieve("alpha")] == ["more"]
    assert rag.status().documents == 2
    assert rag.verify().problems == ()


def test_segments_without_vectors_are_freed_with_their_texts(rag):
    for number in range(4):
        rag.add({"id": str(number), "text": f"{number} {number}"})
    rag.remove([str(number) for number in range(4)])
    rag.add({"id": "a", "text": "alpha"})
    with rag.index.read() as snapshot:
        assert sum(segment.rows for _, segment in snapshot.segments()) == 1
        assert len(snapshot.segments()) == 1


def test_vectors_that_are_not_of_length_1_are_refused(tmp_path):
    rag = RAG(tmp_path / "index", retrievers=(ColBERTRetriever(encoder=WordVectors(scale=1e6)),))
    with pytest.raises(InvalidArgumentError, match=r"vectors of length 1, got one of length 1e\+06"):
        rag.add({"id": "a", "text": "alpha beta"})


def test_a_long_query_is_scored_in_runs_as_in_one(rag):
    rag.add([{"id": "a", "text": "alpha beta gamma"}, {"id": "b", "text": "delta epsilon"}])
    whole, long = (rag.retrieve(" ".join(["alpha"] * times)) for times in (3, 300))
    assert [hit.node.source for hit in long] == [hit.node.source for hit in whole] == ["a", "b"]
    for short_hit, long_hit in zip(whole, long, strict=True):
        assert long_hit.score == pytest.approx(short_hit.score, abs=1e-5)


def test_a_score_is_in_its_scale(tmp_path):
    rag = RAG(tmp_path / "index", retrievers=(ColBERTRetriever(encoder=WordVectors(), vectors="int8"),))
    rag.add({"id": "a", "text": "alpha beta gamma delta epsilon zeta"})
    assert 0.99 < rag.retrieve("alpha beta gamma delta epsilon zeta")[0].score <= 1


def test_an_encoder_of_another_space_is_refused_after_one_that_fits_has_searched_the_same_index(tmp_path):
    RAG(tmp_path / "index", retrievers=(ColBERTRetriever(encoder=WordVectors()),)).add(
        {"id": "a", "text": "alpha beta"}
    )
    other = WordVectors()
    other.space = VectorSpace("other words", DIM, "other words")
    index = Index(tmp_path / "index")
    fitting, wrong = ColBERTRetriever(encoder=WordVectors()), ColBERTRetriever(encoder=other)
    for retriever in (fitting, wrong):
        retriever.attach(index)
    assert [hit.node.source for hit in fitting.retrieve("alpha", 1)] == ["a"]
    with pytest.raises(EncoderMismatchError, match="'other words' makes vectors of another space"):
        wrong.retrieve("alpha", 1)


class Second(ColBERTRetriever):
    """Another one in the same index."""

    name = "colbert-2"


def test_a_second_colbert_retriever_leaves_the_first_one_its_plaid(tmp_path):
    first = ColBERTRetriever(encoder=WordVectors(), pool_factor=1)
    second = Second(encoder=WordVectors(), index="exact")
    rag = RAG(tmp_path / "index", retrievers=(first, second))
    rag.add({"id": "a", "text": "alpha beta"})
    with rag.index.write() as writer:
        for name in ("plaid", "plaid-colbert-2"):
            writer.publish(name, lambda folder: (folder / "manifest.json").write_text("{}"))
        second.refresh(writer)
    assert list(rag.status().derived_uses) == ["plaid"]


def test_an_encoder_of_the_wrong_kind_is_refused():
    with pytest.raises(InvalidArgumentError, match="use it with ColBERTRetriever"):
        BiEncoderRetriever(encoder=WordVectors())
    with pytest.raises(InvalidArgumentError, match="needs token vectors, from a TokenEncoder, got HashEmbedder"):
        ColBERTRetriever(encoder=HashEmbedder(16))


@pytest.mark.parametrize(
    "make",
    [
        BM25Retriever,
        lambda: BiEncoderRetriever(encoder=HashEmbedder(16)),
        lambda: ColBERTRetriever(encoder=WordVectors()),
    ],
)
def test_a_retriever_serves_one_index(tmp_path, make):
    shared = make()
    first = RAG(tmp_path / "first", retrievers=(shared,))
    first.add({"id": "a", "text": "alpha"})
    with pytest.raises(IndexConfigError, match=r"serves the index at .*first': make another one for .*second"):
        RAG(tmp_path / "second", retrievers=(shared,)).add({"id": "b", "text": "beta"})
    assert [hit.node.source for hit in first.retrieve("alpha")] == ["a"]

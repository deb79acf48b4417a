import json

import numpy as np
import pytest
from builders import FACTS
from colbert_checkpoints import tiny_checkpoint
from judged_corpora import write_beir
from lateral import RAG, BiEncoderRetriever, ColBERTRetriever
from lateral.rag.evaluation import Configuration, compare, evaluate, read_beir
from lateral.rag.evaluation.queries_ahead import TOGETHER, ask_two_ways, queries_ahead, token_queries_ahead
from lateral.rag.evaluation.side_by_side import TIMED
from lateral.retrievers.bm25 import BM25Retriever
from lateral.retrievers.hash_embedder import HashEmbedder
from lateral.retrievers.models.colbert import load_colbert
from lateral.retrievers.retriever import Encoder, TokenEncoder

QUERIES = [f"how hot is tea number {at}" for at in range(2 * TOGETHER + 5)]


class Noting(HashEmbedder):
    """The hash embedder, which notes how many queries come at a time."""

    def __init__(self):
        super().__init__(16)
        self.sizes = []

    def encode_queries(self, texts):
        self.sizes.append(len(texts))
        return super().encode_queries(texts)


def test_each_query_is_encoded_once_and_many_together():
    encoder = Noting()
    ahead = queries_ahead(encoder, QUERIES)
    rows = [ahead.encode_queries([query])[0] for query in QUERIES]
    assert encoder.sizes == [TOGETHER, TOGETHER, 5]
    assert np.array_equal(rows, HashEmbedder(16).encode_queries(QUERIES))


def test_other_queries_are_encoded_alone():
    encoder = Noting()
    ahead = queries_ahead(encoder, QUERIES)
    got = ahead.encode_queries(["something else", QUERIES[0]])
    assert encoder.sizes == [1, TOGETHER]
    assert np.array_equal(got, HashEmbedder(16).encode_queries(["something else", QUERIES[0]]))
    assert ahead.encode_queries([]).shape == (0, 16)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny"))


@pytest.mark.slow
def test_token_vectors_are_those_of_the_encoder(model):
    encoder = load_colbert(model, backend="sentence-transformers", device="cpu", dtype="float32")
    ahead = token_queries_ahead(encoder, QUERIES)
    for query in (QUERIES[0], QUERIES[70], "something else"):
        (mine,), (theirs,) = ahead.encode_queries([query]), encoder.encode_queries([query])
        assert mine == pytest.approx(theirs, abs=1e-5)
    assert (ahead.tokens("tea", "query"), ahead.max_tokens) == (encoder.tokens("tea", "query"), encoder.max_tokens)
    assert (ahead.space, ahead.special_tokens) == (encoder.space, encoder.special_tokens)
    assert ahead.count_tokens(["tea"]) == encoder.count_tokens(["tea"])
    assert isinstance(ahead, TokenEncoder)
    assert isinstance(queries_ahead(Noting(), []), Encoder)
    assert not isinstance(queries_ahead(Noting(), []), TokenEncoder)


@pytest.mark.slow
def test_both_ways_find_the_same(tmp_path, model):
    dense = BiEncoderRetriever(encoder=HashEmbedder(64), vectors="int8")
    late = ColBERTRetriever(model, backend="sentence-transformers", vectors="int8", pool_factor=2)
    rag = RAG(tmp_path / "index", retrievers=("bm25", dense, late))
    rag.add([{"id": name, "text": text} for name, text in FACTS.items()])
    queries = ["green tea", "honey in a jar", "rising sourdough"]
    ways = ask_two_ways(rag.retrievers, rag.index, queries)
    assert [it.name for it in ways.ahead] == ["bm25", "bi-encoder", "colbert"]
    assert isinstance(ways.ahead[0], BM25Retriever)
    for alone, ahead in zip(ways.alone, ways.ahead, strict=True):
        for query in [*queries, "never announced"]:
            found = [(hit.node.id, hit.score) for hit in ahead.retrieve(query, 3)]
            asked = [(hit.node.id, hit.score) for hit in alone.retrieve(query, 3)]
            assert [name for name, _ in found] == [name for name, _ in asked]
            assert [score for _, score in found] == pytest.approx([score for _, score in asked], abs=1e-3)


def test_a_comparison_judges_all_queries_and_times_a_hundred(tmp_path):
    queries = [json.dumps({"_id": f"q{at}", "text": f"tea for {at} minutes"}) for at in range(TIMED + 31)]
    judged = [f"q{at}\ttea\t1" for at in range(TIMED + 31)]
    corpus = read_beir(write_beir(tmp_path / "many", queries=queries, qrels=judged))
    hashed = Configuration(("bm25", "bi-encoder"), settings={"bi-encoder": {"model": "hash-embedder-64"}})
    found = compare(corpus, hashed, tmp_path / "index")
    assert (found.queries, found.timed) == (TIMED + 31, TIMED)
    assert found.as_dict()["timed_queries"] == TIMED
    for row in found.rows:
        assert len(row.scores["ndcg@10"]) == TIMED + 31
        assert {"q0", "q1"} < set(row.milliseconds) < set(corpus.queries)
    alone = evaluate(corpus, Configuration(("bi-encoder",)), tmp_path / "index")
    assert next(row for row in found.rows if row.name == "bi-encoder").scores == alone.scores

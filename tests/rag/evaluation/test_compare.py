import json
import threading
import time
from collections import Counter
from itertools import chain

import pytest
from colbert_checkpoints import tiny_checkpoint
from counting_encoders import NotingEmbedder, NotingTokens, OwnRetrievers
from cross_encoders import tiny_cross_encoder
from judged_corpora import DOCUMENTS, QUERIES, write_beir, write_questions
from lateral import BiEncoderRetriever, ColBERTRetriever
from lateral.errors import InvalidArgumentError, ModelNotFoundError
from lateral.rag.evaluation import Configuration, compare, evaluate, read_beir, read_corpus
from lateral.rag.evaluation.side_by_side import TIMED
from lateral.rag.evaluation.significance import paired_p
from lateral.retrievers.models.colbert import load_colbert

HASHED = {"bi-encoder": {"model": "hash-embedder-64"}}
BOTH = Configuration(("bm25", "bi-encoder"), settings=HASHED)


@pytest.fixture
def corpus(tmp_path):
    return read_beir(write_beir(tmp_path / "tiny"))


def test_every_row_scores_as_evaluate_scores_it_alone(corpus, tmp_path):
    found = compare(corpus, BOTH, tmp_path / "index")
    rows = {row.name: row for row in found.rows}
    alone = {
        "bm25": Configuration(("bm25",)),
        "bi-encoder": Configuration(("bi-encoder",)),
        "bm25+bi-encoder, convex": Configuration(fusion="convex"),
        "bm25+bi-encoder, rrf": Configuration(fusion="rrf"),
    }
    assert set(rows) == set(alone)
    for name, configuration in alone.items():
        result = evaluate(corpus, configuration, tmp_path / "index")
        assert rows[name].scores == result.scores, name
        assert rows[name].bytes_per_document == result.bytes_per_document, name


def test_rows_are_tested_against_the_baseline(corpus, tmp_path):
    found = compare(corpus, BOTH, tmp_path / "index", baseline="bm25+bi-encoder")
    rows = {row.name: row for row in found.rows}
    base = rows["bm25+bi-encoder, convex"]
    assert (found.baseline, base.gain, base.p) == (base.name, None, None)
    for row in found.rows:
        if row is not base:
            assert row.gain == pytest.approx(row.quality - base.quality)
            assert row.p >= paired_p(row.scores["ndcg@10"], base.scores["ndcg@10"])
    assert compare(corpus, BOTH, tmp_path / "index").baseline == "bi-encoder"
    assert compare(corpus, Configuration(("bm25",)), tmp_path / "index").baseline == "bm25"


def test_a_fusion_takes_the_time_of_its_retrievers_and_more(corpus, tmp_path):
    told = []
    rows = {
        row.name: row for row in compare(corpus, BOTH, tmp_path / "index", on_query=lambda *at: told.append(at)).rows
    }
    for query in corpus.queries:
        parts = rows["bm25"].milliseconds[query] + rows["bi-encoder"].milliseconds[query]
        assert rows["bm25+bi-encoder, rrf"].milliseconds[query] > parts
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_unknown_baseline_is_an_error_before_anything_is_encoded(corpus, tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"there is no 'colbert' to compare with: bm25; bi-encoder; bm25\+"):
        compare(corpus, BOTH, tmp_path / "index", baseline="colbert")
    assert not (tmp_path / "index").exists()


def test_a_comparison_is_json(corpus, tmp_path):
    shown = json.loads(json.dumps(compare(corpus, BOTH, tmp_path / "index").as_dict()))
    assert (shown["queries"], shown["documents"], shown["baseline"], shown["sweep"]) == (3, 4, "bi-encoder", [])
    assert shown["recommendation"]["choice"] in {row["name"] for row in shown["configurations"]}
    assert {"ndcg@10", "recall@100", "gain", "p", "p50_ms", "bytes_per_document"} <= set(shown["configurations"][0])


def test_pages_are_judged_as_pages(tmp_path):
    found = compare(read_corpus(write_questions(tmp_path / "docs")), BOTH, tmp_path / "index")
    assert found.rows[0].scores["mrr@10"] == {"q1": 1, "q2": 1, "q3": 1}


def test_what_could_not_be_indexed_is_said_as_evaluate_says_it(tmp_path):
    questions = [{"question": "How hot is tea?", "file": "tea.txt"}, {"question": "Broken?", "file": "broken.pdf"}]
    folder = write_questions(tmp_path / "docs", [*questions, {"question": "Who won the cup?"}])
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    alone = Configuration(("bm25",))
    found = compare(read_corpus(folder), alone, tmp_path / "index")
    said = evaluate(read_corpus(folder), alone, tmp_path / "index")
    assert [remark.kind for remark in found.remarks] == ["not_indexed"]
    assert found.remarks == said.remarks
    assert (found.queries, found.unanswerable, found.as_dict()["unanswerable"]) == (2, 1, 1)


def many_queries(folder, number):
    """A corpus with so many queries that differ, and two more that are asked already."""
    texts = [f"tea for {at} minutes" for at in range(number)] + [f"tea for {at} minutes" for at in (1, number - 2)]
    queries = [json.dumps({"_id": f"q{at}", "text": text}) for at, text in enumerate(texts)]
    return read_beir(write_beir(folder, queries=queries, qrels=[f"q{at}\ttea\t1" for at in range(len(texts))]))


def check_each_is_encoded_once(encoder, corpus):
    documents, queries = Counter(chain(*encoder.documents)), Counter(chain(*encoder.queries))
    assert {text: documents[text] for text in DOCUMENTS.values()} == dict.fromkeys(DOCUMENTS.values(), 1)
    texts = set(corpus.queries.values())
    assert {text: queries[text] for text in texts} == dict.fromkeys(texts, 1)
    alone = [batch for batch in encoder.queries if len(batch) == 1 and batch[0] in texts]
    assert len(alone) == TIMED, "what is timed is encoded alone, as a search encodes it"


def test_each_text_is_encoded_once_an_encoder_whatever_is_compared(tmp_path):
    corpus, encoder = many_queries(tmp_path / "many", TIMED + 31), NotingEmbedder()
    both = OwnRetrievers(make=lambda: ("bm25", BiEncoderRetriever(encoder=encoder)))
    found = compare(corpus, both, tmp_path / "index")
    assert len(found.rows) == 4
    assert (found.queries, found.timed) == (TIMED + 33, TIMED)
    assert all(len(row.scores["ndcg@10"]) == TIMED + 33 for row in found.rows)
    check_each_is_encoded_once(encoder, corpus)
    compare(corpus, both, tmp_path / "index")
    assert Counter(chain(*encoder.documents))[DOCUMENTS["tea"]] == 1, "what an index holds is not encoded again"


@pytest.mark.slow
def test_each_text_is_encoded_once_by_a_late_interaction_encoder_too(tmp_path):
    corpus = many_queries(tmp_path / "many", TIMED + 31)
    dense, late = NotingEmbedder(), NotingTokens(load_colbert(str(tiny_checkpoint(tmp_path / "checkpoint"))))
    three = OwnRetrievers(
        make=lambda: ("bm25", BiEncoderRetriever(encoder=dense), ColBERTRetriever(encoder=late, pool_factor=2))
    )
    assert len(compare(corpus, three, tmp_path / "index").rows) == 11
    check_each_is_encoded_once(dense, corpus)
    check_each_is_encoded_once(late, corpus)


class Slow(NotingEmbedder):
    """Takes 30 ms for a call, and a second for the first, as a model does that is loaded."""

    def encode_queries(self, texts):
        time.sleep(0.03 if self.queries else 1)
        return super().encode_queries(texts)


def test_a_timed_query_includes_its_encoding_and_not_the_loading_of_the_model(tmp_path):
    queries = [json.dumps({"_id": f"q{at}", "text": text}) for at, text in enumerate(["", *QUERIES.values()])]
    judged = [f"q{at}\ttea\t1" for at in range(4)]
    corpus = read_beir(write_beir(tmp_path / "tiny", queries=queries, qrels=judged))
    both = OwnRetrievers(make=lambda: ("bm25", BiEncoderRetriever(encoder=Slow())))
    rows = {row.name: row for row in compare(corpus, both, tmp_path / "index").rows}
    assert set(rows["bm25"].milliseconds) == {"q1", "q2", "q3"}, "an empty query would pass for a fast one"
    assert rows["bm25"].p50_ms < 30
    for name in ("bi-encoder", "bm25+bi-encoder, convex", "bm25+bi-encoder, rrf"):
        assert all(30 <= taken < 500 for taken in rows[name].milliseconds.values()), name
        assert len(rows[name].scores["ndcg@10"]) == 4


class Breaking(NotingEmbedder):
    """Breaks at a query."""

    def encode_queries(self, texts):
        if QUERIES["q-jar"] in texts:
            raise RuntimeError("the encoder broke")
        return super().encode_queries(texts)


def test_a_retriever_that_fails_midway_leaves_an_index_that_serves_the_next_run(corpus, tmp_path):
    broken = OwnRetrievers(make=lambda: ("bm25", BiEncoderRetriever(encoder=Breaking())))
    before = set(threading.enumerate())  # those that search are kept
    for run in (compare, evaluate):
        with pytest.raises(RuntimeError, match="the encoder broke"):
            run(corpus, broken, tmp_path / "index")
        assert not [it.name for it in set(threading.enumerate()) - before if it.name.startswith("lateral")]
    encoder = NotingEmbedder()
    mended = OwnRetrievers(make=lambda: ("bm25", BiEncoderRetriever(encoder=encoder)))
    assert len(compare(corpus, mended, tmp_path / "index").rows) == 4
    assert not set(chain(*encoder.documents)) & set(DOCUMENTS.values())


@pytest.fixture(scope="module")
def reranker(tmp_path_factory):
    return f"cross-encoder={tiny_cross_encoder(tmp_path_factory.mktemp('models') / 'tiny')}"


@pytest.mark.slow
def test_every_reranked_row_scores_as_evaluate_scores_it_alone(corpus, tmp_path, reranker):
    both = Configuration(("bm25", "bi-encoder"), settings=HASHED, reranker=reranker, rerank_depth=3)
    found = compare(corpus, both, tmp_path / "index")
    rows = {row.name: row for row in found.rows}
    assert (found.reranker, len(rows), found.baseline) == (reranker, 8, "bi-encoder")
    alone = {
        "bm25, cross-encoder@3": Configuration(("bm25",), reranker=reranker, rerank_depth=3),
        "bi-encoder, cross-encoder@3": Configuration(("bi-encoder",), reranker=reranker, rerank_depth=3),
        "bm25+bi-encoder, convex, cross-encoder@3": Configuration(reranker=reranker, rerank_depth=3),
        "bm25+bi-encoder, rrf, cross-encoder@3": Configuration(fusion="rrf", reranker=reranker, rerank_depth=3),
    }
    for name, configuration in alone.items():
        result = evaluate(corpus, configuration, tmp_path / "index")
        assert rows[name].scores == result.scores, name
        plain = rows[name.removesuffix(", cross-encoder@3")]
        assert rows[name].bytes_per_document == plain.bytes_per_document
        assert rows[name].means["recall@100"] == plain.means["recall@100"], "those behind the depth keep their place"
        assert all(rows[name].milliseconds[query] > plain.milliseconds[query] for query in corpus.queries)
    assert set(rows) == {*alone, *(name.removesuffix(", cross-encoder@3") for name in alone)}


@pytest.mark.slow
def test_the_first_hits_are_those_of_the_pipeline_in_its_order(corpus, tmp_path, reranker):
    configuration = Configuration(settings=HASHED, reranker=reranker, rerank_depth=2)
    result = evaluate(corpus, configuration, tmp_path / "index")
    with configuration.open(tmp_path / "index") as rag:
        for query, text in corpus.queries.items():
            first = [hit.node.source for hit in rag.retrieve(text, 2)]
            assert [str(unit) for unit in result.rankings[query][:2]] == first
    shown = json.loads(json.dumps(result.as_dict()))["configuration"]
    assert (shown["reranker"], shown["rerank_depth"]) == (reranker, 2)


@pytest.mark.slow
def test_a_reranker_that_can_not_be_had_is_an_error_before_anything_is_encoded(corpus, tmp_path):
    missing = Configuration(settings=HASHED, reranker="cross-encoder=no/such/folder")
    with pytest.raises(ModelNotFoundError, match="the cross-encoder 'no/such/folder' can't be had"):
        compare(corpus, missing, tmp_path / "index")
    assert not (tmp_path / "index").exists()

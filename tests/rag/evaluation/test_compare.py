import json

import pytest
from builders import make_document
from colbert_checkpoints import tiny_checkpoint
from cross_encoders import tiny_cross_encoder
from judged_corpora import DOCUMENTS, write_beir, write_questions
from lateral.errors import InvalidArgumentError, ModelNotFoundError
from lateral.rag.evaluation import Configuration, compare, evaluate, read_beir, read_corpus, sweep
from lateral.rag.evaluation.compare import contenders, search_side_by_side
from lateral.rag.evaluation.queries_ahead import AskedTwoWays
from lateral.rag.evaluation.significance import paired_p
from lateral.retrievers.canned import CannedRetriever
from lateral.retrievers.hit import Hit
from lateral.retrievers.hybrid import HybridRetriever
from lateral.retrievers.score_scale import ScoreScale

HASHED = {"bi-encoder": {"model": "hash-embedder-64"}}
BOTH = Configuration(("bm25", "bi-encoder"), settings=HASHED)


@pytest.fixture
def corpus(tmp_path):
    return read_beir(write_beir(tmp_path / "tiny"))


def test_each_retriever_runs_alone_and_every_group_under_each_fusion():
    assert [one.name for one in contenders(["bm25"])] == ["bm25"]
    assert [one.name for one in contenders(["a", "b", "c"])] == [
        *("a", "b", "c"),
        *("a+b, convex", "a+b, rrf", "a+c, convex", "a+c, rrf", "b+c, convex", "b+c, rrf"),
        *("a+b+c, convex", "a+b+c, rrf"),
    ]


def test_a_reranker_doubles_them():
    names = [one.name for one in contenders(["a", "b"], reranker="judge@50")]
    assert names == [
        *("a", "b", "a+b, convex", "a+b, rrf"),
        *("a, judge@50", "b, judge@50", "a+b, convex, judge@50", "a+b, rrf, judge@50"),
    ]


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


def test_a_sweep_stores_the_vectors_in_every_format_and_encodes_them_once(corpus, tmp_path):
    compare(corpus, BOTH, tmp_path / "index")
    rows = sweep(corpus, BOTH, tmp_path / "index")
    assert [row.name for row in rows] == [f"bi-encoder {form}" for form in ("float32", "float16", "int8", "binary")]
    sizes = [row.bytes_per_document for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    plain = evaluate(corpus, Configuration(("bi-encoder",)), tmp_path / "index")
    assert rows[0].scores == plain.scores
    assert rows[0].p is None
    assert all(0 < row.p <= 1 for row in rows[1:])


def test_vectors_whose_length_fills_no_bytes_are_swept_without_binary(corpus, tmp_path):
    odd = Configuration(("bi-encoder",), settings={"bi-encoder": {"model": "hash-embedder-20"}})
    compare(corpus, odd, tmp_path / "index")
    names = [row.name for row in sweep(corpus, odd, tmp_path / "index")]
    assert names == ["bi-encoder float32", "bi-encoder float16", "bi-encoder int8"]


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


class Named(CannedRetriever):
    """Prepared hits under a retriever's name, with scores that mean what cosines do."""

    score_scale = ScoreScale(0.0, 1.0)

    def __init__(self, name, scores):
        super().__init__([Hit(make_document(source, DOCUMENTS[source])[1][0], score) for source, score in scores])
        self.name = name


def test_short_lists_are_fused_as_a_hybrid_fuses_them(corpus):
    both = [Named("a", [("tea", 0.9), ("bread", 0.8)]), Named("b", [("honey", 0.85)])]
    running = contenders(["a", "b"])
    found = search_side_by_side(AskedTwoWays(both, both), running, corpus, top_k=3)
    expected = [hit.node.source for hit in HybridRetriever(both).retrieve("any", 3)]
    assert expected == ["tea", "honey", "bread"]
    assert found[running[2]].rankings["q-tea"] == expected


def test_a_corpus_for_bm25_alone_has_nothing_to_sweep(corpus, tmp_path):
    alone = Configuration(("bm25",))
    compare(corpus, alone, tmp_path / "index")
    assert sweep(corpus, alone, tmp_path / "index") == []


def test_a_checkpoint_is_swept_over_formats_and_pooling(corpus, tmp_path):
    model = str(tiny_checkpoint(tmp_path / "checkpoint"))
    alone = Configuration(("colbert",), settings={"colbert": {"model": model}})
    compare(corpus, alone, tmp_path / "index")
    rows = {row.name: row for row in sweep(corpus, alone, tmp_path / "index")}
    assert len(rows) == 4 * 3
    sizes = [rows[f"colbert float32{pooled}"].bytes_per_document for pooled in ("", " pooled by 2", " pooled by 4")]
    assert sizes == sorted(set(sizes), reverse=True)
    assert rows["colbert float32"].p is None
    assert all(row.p is not None for name, row in rows.items() if name != "colbert float32")


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

import json

import pytest
from colbert_checkpoints import tiny_checkpoint
from judged_corpora import write_beir, write_questions
from lateral.errors import InvalidArgumentError
from lateral.rag.evaluation import Configuration, compare, evaluate, read_beir, read_corpus, sweep
from lateral.rag.evaluation.compare import contenders
from lateral.rag.evaluation.significance import paired_p

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

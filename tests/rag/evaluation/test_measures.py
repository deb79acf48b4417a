from math import log2

import ir_measures
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st
from lateral.rag.evaluation import score_queries, write_qrels, write_run
from lateral.rag.evaluation.measures import as_run, mean_scores

QRELS = {"q1": {"d1": 1, "d2": 1, "d7": 0}, "q2": {"d4": 3, "d5": 1}, "q3": {"d9": 1}}
RANKINGS = {"q1": ["d3", "d1", "d2"], "q2": ["d5", "d4"], "q3": []}
PARTS = {
    "ndcg@10": [(1 / log2(3) + 1 / log2(4)) / (1 + 1 / log2(3)), (1 + 3 / log2(3)) / (3 + 1 / log2(3)), 0],
    "recall@5": [1, 1, 0],
    "recall@10": [1, 1, 0],
    "recall@100": [1, 1, 0],
    "mrr@10": [1 / 2, 1, 0],
    "map": [(1 / 2 + 2 / 3) / 2, 1, 0],
}


def test_measures_are_those_computed_by_hand():
    scores = score_queries(QRELS, RANKINGS)
    for name, values in PARTS.items():
        assert list(scores[name]) == ["q1", "q2", "q3"]
        assert list(scores[name].values()) == pytest.approx(values), name
    means = mean_scores(scores)
    assert means == pytest.approx({name: sum(values) / 3 for name, values in PARTS.items()})


def test_nothing_found_at_all_scores_zero():
    assert set(mean_scores(score_queries(QRELS, {})).values()) == {0}
    assert set(mean_scores(score_queries(QRELS, {"q1": [], "q2": [], "q3": []})).values()) == {0}


def test_the_first_ten_ranks_alone_count_for_mrr():
    found = [f"x{at}" for at in range(10)]
    assert score_queries({"q": {"d": 1}}, {"q": [*found, "d"]})["mrr@10"]["q"] == 0
    assert score_queries({"q": {"d": 1}}, {"q": [*found[:9], "d"]})["mrr@10"]["q"] == pytest.approx(0.1)


def test_scores_of_a_run_fall_from_rank_to_rank():
    assert as_run({"q": ["b", "a", "c"]}) == {"q": {"b": 3, "a": 2, "c": 1}}


rankings = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3", "q4"]), st.lists(st.sampled_from("abcdefghij klm"), unique=True), min_size=1
)
judgements = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3", "q4"]),
    st.dictionaries(st.sampled_from("abcdefghij klm"), st.integers(0, 3), min_size=1),
    min_size=1,
)


@given(judgements, rankings)
def test_measures_equal_those_of_ir_measures_and_pytrec_eval_on_the_files(tmp_path_factory, qrels, found):
    folder = tmp_path_factory.mktemp("run")
    found = {query: units for query, units in found.items() if query in qrels}
    write_run(folder / "run.trec", found)
    write_qrels(folder / "qrels.trec", qrels)
    means = mean_scores(score_queries(qrels, found))
    run = list(ir_measures.read_trec_run(str(folder / "run.trec")))
    judged = list(ir_measures.read_trec_qrels(str(folder / "qrels.trec")))
    theirs = {"ndcg@10": "nDCG@10", "recall@5": "R@5", "recall@100": "R@100", "mrr@10": "RR@10", "map": "AP"}
    for ours, name in theirs.items():
        measure = ir_measures.parse_measure(name)
        assert means[ours] == pytest.approx(ir_measures.calc_aggregate([measure], judged, run)[measure]), ours
    with (folder / "run.trec").open() as lines:
        read = pytrec_eval.parse_run(lines)
    with (folder / "qrels.trec").open() as lines:
        grades = pytrec_eval.parse_qrel(lines)
    scores = pytrec_eval.RelevanceEvaluator(grades, {"ndcg_cut.10", "map", "recall.10"}).evaluate(read)
    for ours, name in {"ndcg@10": "ndcg_cut_10", "map": "map", "recall@10": "recall_10"}.items():
        assert means[ours] == pytest.approx(sum(it[name] for it in scores.values()) / len(qrels)), ours


@pytest.mark.parametrize("name", ["a\ud800", "a\x00b", "", "a b", "\n"])
def test_ids_may_be_any_text(name):
    """Each of these ended the process, or was counted as another one, where trec_eval was given it."""
    scores = score_queries({name: {name: 1, "a": 1}, "q": {"a": 1}}, {name: [name, "x"], "q": ["a"]})
    assert scores["recall@5"] == {name: 0.5, "q": 1}


def test_grades_below_zero_are_not_relevant_and_huge_ones_end_nothing():
    scores = score_queries({"q": {"a": -2, "b": 1}, "huge": {"a": 10**20}}, {"q": ["a", "b"], "huge": ["a"]})
    assert scores["mrr@10"] == {"q": 0.5, "huge": 1}
    assert scores["ndcg@10"]["q"] == pytest.approx(1 / log2(3))

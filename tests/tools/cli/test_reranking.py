"""A reranker behind the search, from the shell: it changes no index."""

import pytest
from command_line import as_json, furnished, run
from cross_encoders import tiny_cross_encoder
from judged_corpora import write_beir

QUERY = "How many litres does the kettle hold?"
STAGES = ["bm25", "bi-encoder", "convex", "cross-encoder"]


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory):
    """A working directory with an index, a cross-encoder in the folder `model`, and a cache of its own."""
    home = furnished(tmp_path_factory.mktemp("kitchen"))
    tiny_cross_encoder(home / "model")
    assert run(home, "add", "docs").returncode == 0
    return home


@pytest.fixture(scope="module")
def cached(kitchen):
    return {"LATERAL_CACHE": str(kitchen / "cache")}


def found(home, *arguments, **environment):
    return as_json(home, "search", QUERY, "--rerank", "cross-encoder=model", *arguments, **environment)["hits"]


@pytest.mark.slow
def test_the_cross_encoder_has_the_last_word(kitchen, cached):
    plain = as_json(kitchen, "search", QUERY)["hits"]
    hits = found(kitchen, **cached)
    assert {hit["id"] for hit in hits} == {hit["id"] for hit in plain}
    assert [hit["trail"][-1]["stage"] for hit in hits] == ["cross-encoder"] * 3
    scores = [hit["trail"][-1]["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True) == [hit["score"] for hit in hits]
    assert len(set(scores)) == 3


@pytest.mark.slow
def test_it_reads_as_many_hits_as_it_is_given(kitchen, cached):
    first = as_json(kitchen, "search", QUERY)["hits"][0]["id"]
    best = found(kitchen, **cached)[0]["id"]
    assert first != best
    one = ("--top-k", "1", "--rerank-depth")
    assert found(kitchen, *one, "3", **cached)[0]["id"] == best
    assert found(kitchen, *one, "1", **cached)[0]["id"] == first
    no_fewer = found(kitchen, "--top-k", "3", "--rerank-depth", "1", **cached)
    assert (no_fewer[0]["id"], len(no_fewer)) == (best, 3)


@pytest.mark.slow
def test_answers_and_explanations_show_it(kitchen, cached):
    answer = as_json(kitchen, "ask", QUERY, "--rerank", "cross-encoder=model", **cached)
    assert {hit["trail"][-1]["stage"] for hit in answer["hits"]} == {"cross-encoder"}
    for flags in ((), ("--rerank-depth", "1")):
        told = as_json(kitchen, "explain", QUERY, "--rerank", "cross-encoder=model", *flags, **cached)
        assert [step["stage"] for step in told["path"]] == STAGES
        best = found(kitchen, *flags, **cached)[0]
        assert told["id"] == best["id"]
        assert told["path"][-1]["score"] == best["score"]


@pytest.mark.slow
def test_it_can_stand_in_the_settings(kitchen, cached):
    kept = {**cached, "LATERAL_RERANK": "cross-encoder=model", "LATERAL_RERANK_DEPTH": "1"}
    one = ("search", QUERY, "--top-k", "1")
    assert as_json(kitchen, *one, **kept)["hits"][0]["trail"][-1]["stage"] == "cross-encoder"
    deeper = as_json(kitchen, *one, "--rerank-depth", "3", **kept)["hits"][0]["id"]
    assert deeper == found(kitchen, **cached)[0]["id"] != as_json(kitchen, *one, **kept)["hits"][0]["id"]
    assert as_json(kitchen, *one, "--rerank", "none", **kept)["hits"][0]["trail"][-1]["stage"] == "convex"


@pytest.mark.slow
def test_an_evaluation_measures_what_a_search_does_and_a_comparison_what_is_asked(kitchen, cached):
    tiny = write_beir(kitchen / "tiny")
    kept = {**cached, "LATERAL_RERANK": "cross-encoder=model", "LATERAL_RERANK_DEPTH": "2"}
    for flags, expected in (((), ("cross-encoder=model", 2)), (("--rerank", "none"), ("none", None))):
        shown = as_json(kitchen, "evaluate", tiny, "--retrievers", "bm25", *flags, **kept)["configuration"]
        assert (shown["reranker"], shown["rerank_depth"]) == expected
    shown = as_json(kitchen, "compare", tiny, "--retrievers", "bm25", **kept)
    assert ([row["name"] for row in shown["configurations"]], shown["reranker"]) == (["bm25"], None)


def test_a_bad_setting_stops_only_what_searches(home):
    with (home / "lateral.toml").open("a") as file:
        file.write('rerank = "magic"\n')
    assert as_json(home, "add", "docs")["added"] == 2
    assert as_json(home, "status")["chunks"] == 3
    ended = run(home, "search", QUERY)
    assert (ended.returncode, "there is no reranker named 'magic'" in ended.stderr) == (2, True)
    assert run(home, "search", QUERY, "--rerank", "none").returncode == 0


def test_a_model_that_is_not_there_is_told_before_a_search_that_has_no_hits(shared):
    ended = run(shared, "search", "", "--rerank", "cross-encoder=no/such/folder")
    assert ended.returncode == 2
    assert "the cross-encoder 'no/such/folder' can't be had" in " ".join(ended.stderr.split())


@pytest.mark.parametrize("command", ["search", "ask", "explain"])
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--rerank", "magic"), "there is no reranker named 'magic'"),
        (("--rerank", ""), "there is no reranker named ''"),
        (("--rerank", "cross-encoder"), "name its model as in cross-encoder="),
        (("--rerank", "cross-encoder=no/such/folder"), "the cross-encoder 'no/such/folder' can't be had"),
        (("--rerank-depth", "5"), "--rerank-depth is for a reranker"),
        (("--rerank", "cross-encoder=model", "--rerank-depth", "0"), "rerank_depth must be a whole number"),
    ],
)
def test_wrong_rerankers_are_wrong_calls(shared, command, flags, message):
    ended = run(shared, command, QUERY, *flags)
    assert ended.returncode == 2
    assert message in " ".join(ended.stderr.split())

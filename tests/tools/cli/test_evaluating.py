import json
import os
import signal
import subprocess
import time

import openai_server as wire
import pytest
from command_line import LATERAL, as_json, run
from judged_corpora import write_beir, write_lines, write_questions
from openai_server import OpenAIServer

MEASURES = {"ndcg@10", "recall@5", "recall@10", "recall@100", "mrr@10", "map"}
KEYS = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}


@pytest.fixture
def tiny(home):
    return write_beir(home / "tiny")


def test_a_corpus_needs_no_flag(home, tiny):
    shown = as_json(home, "evaluate", "tiny")
    assert set(shown) >= MEASURES
    assert shown["corpus"] == "tiny (test)"
    assert shown["configuration"]["settings"] == {"bi-encoder": {"model": "hash-embedder-64"}}
    assert shown["configuration"]["top_k"] == 100
    assert shown["ndcg@10"] > 0.9
    assert sorted(path.name for path in home.iterdir()) == ["docs", "lateral.toml", "tiny"]


def test_the_fusion_is_that_of_a_search(home, tiny):
    for given, expected in (((), "rrf"), (("--fusion", "convex"), "convex")):
        shown = as_json(home, "evaluate", "tiny", *given, LATERAL_FUSION="rrf")
        assert shown["configuration"]["fusion"] == expected


def test_a_person_sees_a_table_that_says_what_each_figure_means(home, tiny):
    done = run(home, "evaluate", "tiny", "--retrievers", "bm25")
    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[:3] == [
        "tiny (test): 4 documents in 4 chunks, 3 queries",
        "3 judged by document",
        "bm25, 100 hits a query",
    ]
    assert "recall@5 1.0000 of what is relevant, in the first 5" in lines
    assert any(line.startswith("query p95") and line.endswith("… 95 of 100 are") for line in lines)
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert done.stderr == ""


def test_a_folder_of_documents_with_questions_is_judged_by_page_file_and_answer(home):
    write_questions(home / "papers")
    shown = as_json(home, "evaluate", "papers", "--retrievers", "bm25")
    assert (shown["queries"], shown["unanswerable"]) == (3, 1)
    told = run(home, "evaluate", "papers", "--retrievers", "bm25", "--top-k", "5").stdout
    assert "1 unanswerable: left to --answers" in told
    assert "… in the 5 asked for" in told
    assert "in the first 10" not in told
    assert "in the first 5" in told
    assert (shown["judged_by"], shown["mrr@10"]) == ({"document": 1, "page": 1, "answer": 1}, 1)
    questions = write_lines(home / "mine.csv", ["question,file", "How hot is tea?,tea.txt"])
    shown = as_json(home, "evaluate", "papers", "--questions", questions, "--retrievers", "bm25")
    assert (shown["judged_by"], shown["documents"]) == ({"document": 1}, 4)  # questions.jsonl is a document now


def test_the_run_and_its_judgements_are_written(home, tiny):
    run(home, "evaluate", "tiny", "--retrievers", "bm25", "--run-out", "run.trec", "--qrels-out", "qrels.trec")
    assert (home / "run.trec").read_text().splitlines()[:2] == [
        "q-tea Q0 tea 1 1 lateral",
        "q-heat Q0 tea 1 2 lateral",
    ]
    assert (home / "qrels.trec").read_text().splitlines()[0] == "q-tea 0 tea 1"


def test_a_run_and_judgements_that_are_there_are_replaced_only_by_force(home, tiny):
    for name, flag in (("run.trec", "--run-out"), ("qrels.trec", "--qrels-out")):
        (home / name).write_text("mine")
        flags = ("evaluate", "tiny", "--retrievers", "bm25", flag, name)
        refused = run(home, *flags)
        assert refused.returncode == 2
        assert f"'{name}' is there already: name another file with {flag}, or add --force" in refused.stderr
        assert (home / name).read_text() == "mine"
        assert run(home, *flags, "--force").returncode == 0
        assert "lateral" in (home / name).read_text() or name == "qrels.trec"
        assert (home / name).read_text() != "mine"
    both = run(home, "evaluate", "tiny", "--run-out", "both.trec", "--qrels-out", "both.trec")
    assert (both.returncode, "name one file" in both.stderr) == (2, True)


def test_settings_of_a_retriever_that_is_not_evaluated_are_an_error_only_as_flags(home, tiny):
    shown = as_json(home, "evaluate", "tiny", LATERAL_COLBERT_VECTORS="int8", LATERAL_COLBERT_BITS="2")
    assert shown["configuration"]["retrievers"] == ["bm25", "bi-encoder"]
    refused = run(home, "evaluate", "tiny", "--colbert-vectors", "int8")
    assert refused.returncode == 2
    assert "--colbert-vectors sets the colbert retriever, which is not among bm25, bi-encoder" in refused.stderr


def test_an_emptied_index_is_made_anew_from_the_settings(home, tiny):
    run(home, "add", "docs", "--index", "kept", "--model", "hash-embedder-32")
    run(home, "remove", "docs/tea.txt", "docs/kettle.pdf", "--index", "kept")
    shown = as_json(home, "evaluate", "tiny", "--index", "kept")
    assert shown["configuration"]["settings"] == {"bi-encoder": {"model": "hash-embedder-64"}}
    assert as_json(home, "status", "--index", "kept")["retrievers"]["bi-encoder"] == {"model": "hash-embedder-64"}


def test_an_index_that_is_named_is_kept_and_used_again(home, tiny):
    first = as_json(home, "evaluate", "tiny", "--index", "kept")
    assert (home / "kept" / "catalog.sqlite").exists()
    (home / "lateral.toml").write_text('model = "no-such-model"\nretrievers = "bm25"\n')
    again = as_json(home, "evaluate", "tiny", "--index", "kept", "--limit", "2")
    assert (again["index_seconds"], again["queries"]) == (None, 2)
    assert again["configuration"]["retrievers"] == first["configuration"]["retrievers"] == ["bm25", "bi-encoder"]
    refused = run(home, "evaluate", "tiny", "--index", "kept", "--retrievers", "bm25", "--answers")
    assert (refused.returncode, "leave out --retrievers" in refused.stderr) == (2, True)
    alone = as_json(home, "evaluate", "tiny", "--index", "kept", "--retrievers", "bm25")
    assert alone["bytes_per_document"] < first["bytes_per_document"]


def test_the_index_of_the_settings_is_never_touched(home, tiny):
    (home / "lateral.toml").write_text('model = "hash-embedder-64"\nindex = "mine"\n')
    run(home, "add", "docs")
    before = as_json(home, "status")["documents"]
    as_json(home, "evaluate", "tiny")
    assert as_json(home, "status")["documents"] == before


def test_oddities_are_said_beside_the_result(home, tiny):
    with (tiny / "qrels" / "test.tsv").open("a") as qrels:
        qrels.write("q-tea\tgone\t1\n")
    done = run(home, "evaluate", "tiny", "--retrievers", "bm25")
    assert done.returncode == 0
    assert "note 1 judged documents that corpus.jsonl does not hold" in done.stderr
    (remark,) = as_json(home, "evaluate", "tiny", "--retrievers", "bm25")["remarks"]
    assert (remark["kind"], remark["count"]) == ("unknown_documents", 1)


def test_documents_that_fail_give_exit_1_beside_the_result(home):
    write_questions(home / "papers")
    (home / "papers" / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    shown = as_json(home, "evaluate", "papers", "--retrievers", "bm25", code=1)
    assert [it["error"] for it in shown["failed"]] == ["CorruptDocumentError"]
    assert shown["mrr@10"] == 1
    assert "failed papers/broken.pdf" in run(home, "evaluate", "papers", "--retrievers", "bm25").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nowhere",), 2, "there is no such folder"),
        (("docs",), 2, "name the questions with --questions FILE"),
        (("tiny", "--split", "dev"), 2, "there are the splits test"),
        (("docs", "--questions", "q.csv", "--split", "dev"), 2, "a split is of a corpus in BEIR form, got 'dev'"),
        (("tiny", "--retrievers", "magic"), 2, "there is no retriever named 'magic'"),
        (("tiny", "--rerank", "magic"), 2, "there is no reranker named 'magic'"),
        (("tiny", "--rerank", "cross-encoder"), 2, "name its model as in cross-encoder="),
        (("tiny", "--rerank", "cross-encoder=no/such/folder"), 2, "the cross-encoder 'no/such/folder' can't be had"),
        (("tiny", "--rerank-depth", "5"), 2, "--rerank-depth is for a reranker"),
        (("tiny", "--fusion", "magic"), 2, "magic"),
        (("tiny", "--top-k", "0"), 2, "top_k must be a whole number of at least 1"),
        (("tiny", "--limit", "0"), 2, "0"),
        (("tiny", "--retrievers", "bm25", "--model", "x"), 2, "--model sets the bi-encoder retriever"),
        (("tiny", "--run-out", "no/such/folder.trec"), 2, "can't be written"),
        (("tiny", "--index", "docs"), 3, "holds other files"),
        (("tiny", "--judge", "gpt"), 2, "and tiny (test) expects none"),
        (("tiny", "--generator", "gpt"), 2, "add --answers"),
        (("tiny", "--base-url", "http://localhost:1/v1"), 2, "--base-url is for a chat model: add --answers"),
        (("tiny", "--retrievers", ","), 2, "must name at least one retriever"),
        (("tiny", "--answers", "--base-url", "http://localhost:1/v1"), 2, "name it with --generator"),
    ],
)
def test_wrong_calls_end_with_a_sentence_and_the_right_code(home, tiny, arguments, code, message):
    done = run(home, "evaluate", *arguments, **KEYS)
    assert done.returncode == code
    assert message in " ".join(done.stderr.split())
    assert done.stdout == ""


def test_broken_lines_are_named_in_json_too(home, tiny):
    write_lines(tiny / "queries.jsonl", ['{"_id": "q1"'])
    error = as_json(home, "evaluate", "tiny", code=2)["error"]
    assert error["type"] == "InvalidArgumentError"
    assert "queries.jsonl, line 1: expected a JSON object" in error["message"]


def test_answers_are_scored_offline(home):
    write_questions(home / "papers")
    answers = as_json(home, "evaluate", "papers", "--answers")["answers"]
    assert (answers["questions"], answers["unanswerable"], answers["judged_correct"]) == (3, 1, None)
    assert 0 <= answers["citation_precision"] <= 1
    kept = {"LATERAL_BASE_URL": "http://127.0.0.1:9/v1"}  # for another day: no model is named
    done = run(home, "evaluate", "papers", "--answers", **kept)
    assert "citation precision" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_a_chat_model_answers_and_another_judges(home):
    write_questions(home / "papers")
    replies = [wire.stream("At 80 degrees [1].", usage=(50, 5))] * 4 + [wire.whole("correct")] * 3
    with OpenAIServer(*replies) as server:
        flags = ("--answers", "--generator", "writer", "--judge", "grader", "--base-url", server.url)
        answers = as_json(home, "evaluate", "papers", *flags, **KEYS)["answers"]
    assert [request["model"] for request in server.requests] == ["writer"] * 4 + ["grader"] * 3
    assert (answers["judged_correct"], answers["prompt_tokens"], answers["degraded"]) == (1, 200, 0)


def test_what_was_measured_is_handed_out_where_the_judge_can_not_be_had(home):
    write_questions(home / "papers")
    with OpenAIServer(*[wire.status(401, "no such key")] * 8) as server:
        flags = ("evaluate", "papers", "--retrievers", "bm25", "--judge", "grader", "--base-url", server.url)
        shown = as_json(home, *flags, "--run-out", "run.trec", code=4, **KEYS)
        told = run(home, *flags, **KEYS)
    assert shown["mrr@10"] == 1
    assert shown["error"]["type"] == "ChatModelRefusedError"
    assert "answers" not in shown
    assert len((home / "run.trec").read_text().splitlines()) >= 3
    assert told.returncode == 4
    assert "mrr@10" in told.stdout
    assert "the answers could not be scored: grader" in told.stderr


def test_an_interruption_leaves_no_index_behind(home, tiny, tmp_path):
    write_lines(tiny / "queries.jsonl", [json.dumps({"_id": f"q{at}", "text": "tea"}) for at in range(100_000)])
    write_lines(tiny / "qrels" / "test.tsv", [f"q{at}\ttea\t1" for at in range(100_000)])
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [LATERAL, "evaluate", "tiny"],
        cwd=home,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(temporary.glob("*/index/catalog.seal")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # by now it asks its queries
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted: nothing is kept, the same command begins anew" in " ".join(told.split())
    assert "Traceback" not in told
    assert list(temporary.iterdir()) == []

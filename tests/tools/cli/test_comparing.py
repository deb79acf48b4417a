import pytest
from command_line import as_json, run
from cross_encoders import tiny_cross_encoder
from judged_corpora import write_beir, write_questions


@pytest.fixture
def tiny(home):
    return write_beir(home / "tiny")


def test_a_corpus_needs_no_flag(home, tiny):
    shown = as_json(home, "compare", "tiny")
    names = [row["name"] for row in shown["configurations"]]
    assert names == ["bm25", "bi-encoder", "bm25+bi-encoder, convex", "bm25+bi-encoder, rrf"]
    assert (shown["baseline"], shown["queries"], shown["sweep"]) == ("bi-encoder", 3, [])
    assert shown["recommendation"]["choice"] in names
    assert sorted(path.name for path in home.iterdir()) == ["docs", "lateral.toml", "tiny"]


def test_a_person_sees_a_table_and_a_recommendation(home, tiny):
    done = run(home, "compare", "tiny", "--sweep")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0].startswith("tiny (test): 4 documents in 4 chunks, 3 queries; indexed in ")
    assert "configuration nDCG@10 gain p R@100 p50 ms kB/doc" in lines
    assert any(line.startswith("bi-encoder binary ") for line in lines)
    assert any(line.startswith("Take ") for line in lines)
    assert "3 queries tell only large differences from chance" in " ".join(lines)
    assert all(len(line.rstrip()) <= 80 for line in done.stdout.splitlines())


def test_a_sweep_over_nothing_is_said(home, tiny):
    done = run(home, "compare", "tiny", "--sweep", "--retrievers", "bm25")
    assert (done.returncode, done.stderr) == (0, "note --sweep: none of these retrievers can store vectors otherwise\n")


def test_the_report_is_written_and_nothing_is_written_over(home, tiny):
    shown = as_json(home, "compare", "tiny", "--retrievers", "bm25", "--html", "report.html")
    assert shown["html"] == str(home / "report.html")
    assert "<svg" in (home / "report.html").read_text()
    (home / "report.html").write_text("mine")
    refused = run(home, "compare", "tiny", "--retrievers", "bm25", "--html", "report.html")
    assert (refused.returncode, (home / "report.html").read_text()) == (2, "mine")
    assert "is there already" in refused.stderr
    done = run(home, "compare", "tiny", "--retrievers", "bm25", "--html", "report.html", "--force")
    assert "The picture is in report.html" in done.stdout
    assert "<svg" in (home / "report.html").read_text()


def test_an_index_that_is_named_is_kept_and_serves_parts(home, tiny):
    first = as_json(home, "compare", "tiny", "--index", "kept")
    again = as_json(home, "compare", "tiny", "--index", "kept", "--limit", "2", "--retrievers", "bm25")
    assert first["index_seconds"] > 0
    assert (again["index_seconds"], again["queries"], again["baseline"]) == (None, 2, "bm25")


@pytest.mark.slow
def test_a_reranker_has_rows_of_its_own(home, tiny):
    model = tiny_cross_encoder(home / "model")
    flags = ("--rerank", f"cross-encoder={model}", "--rerank-depth", "2", "--index", "kept", "--html", "report.html")
    cache = {"LATERAL_CACHE": str(home / "cache")}
    shown = as_json(home, "compare", "tiny", "--retrievers", "bm25", *flags, **cache)
    assert [row["name"] for row in shown["configurations"]] == ["bm25", "bm25, cross-encoder@2"]
    assert shown["reranker"] == f"cross-encoder={model}"
    assert "bm25, cross-encoder@2" in (home / "report.html").read_text()
    done = run(home, "evaluate", "tiny", "--retrievers", "bm25", *flags[:-2], **cache)
    assert done.returncode == 0
    assert "reranked by cross-encoder=" in done.stdout


def test_documents_that_fail_give_exit_1_beside_the_result(home):
    write_questions(home / "papers")
    (home / "papers" / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    shown = as_json(home, "compare", "papers", "--retrievers", "bm25", code=1)
    assert [it["error"] for it in shown["failed"]] == ["CorruptDocumentError"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nowhere",), 2, "must hold a corpus in BEIR form"),
        (("docs",), 2, "name the questions with --questions FILE"),
        (("tiny", "--baseline", "magic"), 2, "there is no 'magic' to compare with: bm25; bi-encoder"),
        (("tiny", "--retrievers", "magic"), 2, "there is no retriever named 'magic'"),
        (("tiny", "--limit", "0"), 2, "0"),
        (("tiny", "--html", "no/such/report.html"), 2, "can't be written"),
        (("tiny", "--index", "docs"), 3, "holds other files"),
        (("tiny", "--colbert", "no/such/checkpoint"), 2, "checkpoint"),
        (("tiny", "--rerank", "magic"), 2, "there is no reranker named 'magic'"),
        (("tiny", "--rerank", "cross-encoder=no/such/folder"), 2, "the cross-encoder 'no/such/folder' can't be had"),
        (("tiny", "--rerank", "cross-encoder=docs", "--rerank-depth", "0"), 2, "rerank_depth must be a whole number"),
    ],
)
def test_wrong_calls_end_with_a_sentence_and_the_right_code(home, tiny, arguments, code, message):
    done = run(home, "compare", *arguments)
    assert done.returncode == code
    assert message in " ".join(done.stderr.split())
    assert done.stdout == ""

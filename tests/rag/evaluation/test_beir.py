import json

import pytest
from judged_corpora import DOCUMENTS, QRELS, QUERIES, write_beir, write_lines
from lateral.errors import InvalidArgumentError
from lateral.rag.evaluation import read_beir
from lateral.rag.evaluation.beir import is_beir


def line(**fields):
    return json.dumps(fields)


def remarks_of(corpus):
    return {it.kind: it.count for it in corpus.remarks}


def test_a_clean_corpus_is_read_without_a_remark(tmp_path):
    corpus = read_beir(write_beir(tmp_path / "tiny"))
    assert (corpus.texts, corpus.queries, corpus.qrels) == (DOCUMENTS, QUERIES, QRELS)
    assert (corpus.name, corpus.remarks) == ("tiny (test)", ())
    assert corpus.sources()[0] == {"id": "honey", "text": DOCUMENTS["honey"]}


def test_the_title_stands_before_the_text(tmp_path):
    documents = [line(_id="d", title="A title", text="and a text"), line(_id=7, title=None, text="number")]
    corpus = read_beir(write_beir(tmp_path, documents=documents, qrels=["q-tea\td\t1", "q-jar\t7\t1"]))
    assert corpus.texts == {"d": "A title and a text", "7": "number"}


def test_crlf_bom_and_blank_lines_are_nothing_special(tmp_path):
    folder = write_beir(tmp_path)
    for path in (folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / "test.tsv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n\r\n"))
    corpus = read_beir(folder)
    assert (corpus.texts, corpus.queries, corpus.qrels, corpus.remarks) == (DOCUMENTS, QUERIES, QRELS, ())


def test_what_is_odd_is_counted_and_the_rest_is_read(tmp_path):
    documents = [
        line(_id="tea", text="Green tea."),
        line(_id="tea", text="Another tea."),
        line(_id="blank", title="", text=" \n"),
        line(_id="bread", text="Bread."),
    ]
    queries = [
        line(_id="q1", text="tea"),
        line(_id="q1", text="again"),
        line(_id="q2", text=" "),
        line(_id="q3", text="never judged"),
        line(_id="q4", text="nothing relevant"),
    ]
    qrels = ["q1\ttea\t1", "q1\tgone\t1", "q1\tblank\t1", "q2\tbread\t1", "q4\tbread\t0", "q9\ttea\t1"]
    corpus = read_beir(write_beir(tmp_path, documents=documents, queries=queries, qrels=qrels))
    assert corpus.texts == {"tea": "Green tea.", "bread": "Bread."}
    assert corpus.queries == {"q1": "tea", "q2": " ", "q4": "nothing relevant"}
    assert corpus.qrels == {"q1": {"tea": 1, "gone": 1, "blank": 1}, "q2": {"bread": 1}, "q4": {"bread": 0}}
    assert remarks_of(corpus) == {
        "duplicate_queries": 1,
        "empty_queries": 1,
        "duplicate_documents": 1,
        "empty_documents": 1,
        "unknown_queries": 1,
        "unjudged_queries": 1,
        "unknown_documents": 1,
        "queries_without_relevant": 1,
    }
    assert all(it.first for it in corpus.remarks)


@pytest.mark.parametrize(
    ("part", "lines", "message"),
    [
        ("documents", ["{}"], r"corpus\.jsonl, line 1: expected '_id' with an id, got None"),
        ("documents", [line(_id="a", text="x"), "{broken"], r"corpus\.jsonl, line 2: expected a JSON object"),
        ("documents", ["\x1b[2J{broken"], r"line 1: expected a JSON object, got '\\x1b\[2J{broken'"),
        ("documents", ['["list"]'], r"corpus\.jsonl, line 1: expected a JSON object"),
        ("documents", ["[" * 100_000], r"corpus\.jsonl, line 1: expected a JSON object"),
        ("documents", [line(_id="a")], r"corpus\.jsonl, line 1: expected 'text' to be a text, got None"),
        ("documents", [line(_id="a", title=3, text="x")], r"line 1: expected 'title' to be a text, got 3"),
        ("documents", [line(_id="a\ud800", text="x")], r"corpus\.jsonl, line 1: 'a.ud800' holds half a character"),
        (
            "queries",
            [line(_id="q\u0000", text="x")],
            r"queries\.jsonl, line 1: the id 'q.x00' holds control characters",
        ),
        ("queries", [line(_id="q", text="x\udc00")], r"queries\.jsonl, line 1: 'x.udc00' holds half a character"),
        ("documents", [line(_id="a\u0007", text="x")], r"line 1: the id 'a\\x07' holds control characters"),
        ("documents", [line(_id=True, text="x")], r"line 1: expected '_id' with an id, got True"),
        ("documents", [line(_id="a", text=" ")], "holds no document with text"),
        ("documents", [], "holds no document with text"),
        ("documents", [line(_id="other", text="x")], "judges 4 documents, and corpus.jsonl holds none of them"),
        ("queries", [line(_id="q-tea", text=None)], r"queries\.jsonl, line 1: expected 'text'"),
        ("queries", [line(_id="unjudged", text="x")], "judges none of the 1 queries"),
        ("qrels", ["query-id\tcorpus-id\tscore"], "holds no judgement"),
    ],
)
def test_what_can_not_be_read_is_told_with_file_and_line(tmp_path, part, lines, message):
    with pytest.raises(InvalidArgumentError, match=message):
        read_beir(write_beir(tmp_path, **{part: lines}))


@pytest.mark.parametrize("missing", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_file_is_named(tmp_path, missing):
    folder = write_beir(tmp_path)
    (folder / missing).unlink()
    with pytest.raises(InvalidArgumentError, match=missing if missing.endswith("l") else "holds no judgements"):
        read_beir(folder)


def test_the_split_is_test_or_the_only_one_or_the_one_that_is_named(tmp_path):
    folder = write_beir(tmp_path, split="dev")
    assert read_beir(folder).name.endswith("(dev)")
    write_lines(folder / "qrels" / "test.tsv", ["q-tea\ttea\t1"])
    assert list(read_beir(folder).queries) == ["q-tea"]
    assert list(read_beir(folder, split="dev").queries) == list(QUERIES)
    with pytest.raises(InvalidArgumentError, match=r"no file .*other\.tsv.*; there are the splits dev, test"):
        read_beir(folder, split="other")


def test_two_splits_of_unknown_names_have_to_be_chosen_from(tmp_path):
    folder = write_beir(tmp_path, split="one")
    write_beir(tmp_path, split="two")
    with pytest.raises(InvalidArgumentError, match="holds one, two: name one with --split"):
        read_beir(folder)


def test_a_sample_is_spread_over_the_queries_and_keeps_all_documents(tmp_path):
    queries = [line(_id=f"q{at}", text="tea") for at in range(10)]
    qrels = [f"q{at}\ttea\t1" for at in range(10)]
    corpus = read_beir(write_beir(tmp_path, queries=queries, qrels=qrels))
    sample = corpus.sampled(3)
    assert list(sample.queries) == list(sample.qrels) == ["q0", "q3", "q6"]
    assert sample.texts == corpus.texts
    assert corpus.sampled(99) == corpus


def test_a_folder_is_known_by_its_files(tmp_path):
    assert not is_beir(tmp_path)
    assert is_beir(write_beir(tmp_path))


def test_queries_that_are_documents_themselves_are_said(tmp_path):
    queries = [json.dumps({"_id": name, "text": text}) for name, text in {**DOCUMENTS, "honey": "bees"}.items()]
    judged = ["tea\tkettle\t1", "kettle\ttea\t1", "bread\tbread\t1", "honey\ttea\t1"]
    (remark,) = read_beir(write_beir(tmp_path, queries=queries, qrels=judged)).remarks
    assert (remark.kind, remark.count, remark.first) == ("own_documents", 2, "query 'tea'")

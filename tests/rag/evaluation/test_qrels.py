import pytest
from judged_corpora import write_lines
from lateral.errors import InvalidArgumentError
from lateral.rag.evaluation.qrels import read_qrels
from lateral.rag.evaluation.remarks import RemarkCounter

READ = {"q1": {"d1": 2, "d2": 0}, "q2": {"d1": 1}}


def read(tmp_path, *lines):
    counter = RemarkCounter()
    return read_qrels(write_lines(tmp_path / "test.tsv", lines), counter), {it.kind: it for it in counter.remarks}


@pytest.mark.parametrize(
    "lines",
    [
        ("query-id\tcorpus-id\tscore", "q1\td1\t2", "q1\td2\t0", "q2\td1\t1"),
        ("q1\td1\t2", "q1\td2\t0", "q2\td1\t1"),
        ("q1\td1\t2\r", "q1\td2\t0\r", "", "q2\td1\t1\r"),
        ("\ufeffquery-id\tcorpus-id\tscore", "q1\td1\t2.0", "q1\td2\t0", "q2\td1\t1"),
        ("\ufeffq1\td1\t2", "q1\td2\t0", "q2\td1\t1"),
        ("q1 0 d1 2", "q1 0 d2 0", "q2 0 d1 1"),
        ("q1\t0\td1\t2", "q1\t0\td2\t0", "q2\t0\td1\t1"),
    ],
    ids=[
        "header",
        "no header",
        "CRLF and a blank line",
        "BOM and decimals",
        "BOM, no header",
        "TREC",
        "TREC with tabs",
    ],
)
def test_every_usual_form_is_read(tmp_path, lines):
    assert read(tmp_path, *lines) == (READ, {})


def test_ids_may_hold_spaces_and_quote_marks_between_tabs(tmp_path):
    assert read(tmp_path, 'q "1"\tmy notes\t1')[0] == {'q "1"': {"my notes": 1}}


def test_negative_grades_become_zero_and_are_counted(tmp_path):
    qrels, remarks = read(tmp_path, "q1\td1\t1", "q1\td2\t-2")
    assert qrels == {"q1": {"d1": 1, "d2": 0}}
    assert str(remarks["negative_grades"]).startswith("1 negative grades, taken as 0 (not relevant) (first: ")
    assert remarks["negative_grades"].first.endswith("test.tsv, line 2")


def test_a_repeated_judgement_counts_once_and_is_told_with_its_line(tmp_path):
    qrels, remarks = read(tmp_path, "q1\td1\t1", "q1\td2\t1", "q1\td1\t1", "q1\td1\t1")
    assert qrels == {"q1": {"d1": 1, "d2": 1}}
    assert remarks["repeated_judgements"].count == 2
    assert remarks["repeated_judgements"].first.endswith("test.tsv, line 3")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("q1\td1\t1", "q1\td1\t0"), "line 2: query 'q1' and document 'd1' are judged 0 here and 1 above"),
        (("q1\td1\t1", "q1\td1"), "line 2: expected query, document and grade with tabs between them, got 2 fields"),
        (("q1\td1\tgood",), "line 1: expected a query, a document and a whole number as grade"),
        (("q1\td1\t0.5",), "line 1: expected a query, a document and a whole number"),
        (("q1\td1\tnan",), "line 1: expected a query, a document and a whole number"),
        (("q1\td1\t10000", "q1\td2\t10001"), "line 2: expected a grade of at most 10,000, got 10001"),
        (("q1\td1\t" + "9" * 400,), "line 1: expected a query, a document and a whole number"),
        (("q1\td1\t1", "q1\td\x002\t1"), r"line 2: the id 'd.x002' holds control characters"),
        (("q\x071 0 d1 1",), r"line 1: the id 'q.x071' holds control characters"),
        (("q1\t\t1",), "line 1: expected a query, a document and a whole number"),
        (("query-id\tcorpus-id\tscore",), "holds no judgement"),
        ((), "holds no judgement"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_line(tmp_path, lines, message):
    with pytest.raises(InvalidArgumentError, match=message):
        read(tmp_path, *lines)


def test_bytes_that_are_no_utf_8_are_told_with_their_line(tmp_path):
    (tmp_path / "test.tsv").write_bytes(b"q1\td1\t1\nq\xff\td1\t1\n")
    with pytest.raises(InvalidArgumentError, match=r"test\.tsv, line 2: is no UTF-8"):
        read_qrels(tmp_path / "test.tsv", RemarkCounter())

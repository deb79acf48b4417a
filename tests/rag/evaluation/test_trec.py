from urllib.parse import unquote

import pytest
from lateral.errors import InvalidArgumentError
from lateral.rag.evaluation import write_qrels, write_run


def test_a_run_has_six_columns_and_scores_that_fall(tmp_path):
    write_run(tmp_path / "run.trec", {"q1": ["b", "a"], "q2": ["b"]})
    assert (tmp_path / "run.trec").read_text() == ("q1 Q0 b 1 2 lateral\nq1 Q0 a 2 1 lateral\nq2 Q0 b 1 1 lateral\n")


def test_judgements_have_four_columns(tmp_path):
    write_qrels(tmp_path / "qrels.trec", {"q1": {"a": 2, "b": 0}})
    assert (tmp_path / "qrels.trec").read_text() == "q1 0 a 2\nq1 0 b 0\n"


def test_ids_with_spaces_stay_one_column_in_both_files(tmp_path):
    write_run(tmp_path / "run.trec", {"q 1": ["my 5% notes.pdf#2"]})
    write_qrels(tmp_path / "qrels.trec", {"q 1": {"my 5% notes.pdf#2": 1, "5%": 1}})
    assert (tmp_path / "run.trec").read_text().split()[:3] == ["q%201", "Q0", "my%205%25%20notes.pdf#2"]
    assert (tmp_path / "qrels.trec").read_text() == "q%201 0 my%205%25%20notes.pdf#2 1\nq%201 0 5%25 1\n"


def test_no_two_ids_are_written_alike(tmp_path):
    ids = ["a b", "a%20b", "a%2520b", "a\u2003b", "a%E2%80%83b", "a\u00a0b", "a\x00b", "a\ud800b", "ab"]
    write_run(tmp_path / "run.trec", {"q": ids})
    written = [line.split(" ")[2] for line in (tmp_path / "run.trec").read_text().splitlines()]
    assert len(set(written)) == len(ids)
    assert [unquote(it, errors="surrogatepass") for it in written] == ids


@pytest.mark.parametrize("place", [".", "missing/run.trec"])
def test_a_place_that_can_not_be_written_is_an_error(tmp_path, place):
    with pytest.raises(InvalidArgumentError, match="can't be written"):
        write_run(tmp_path / place, {})

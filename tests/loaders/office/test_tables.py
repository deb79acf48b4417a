import pytest
from lateral.loaders.office.tables import markdown_table


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ""),
        ([["", " "], []], ""),
        ([["a"]], "| a |\n| --- |"),
        ([["a", "b"], ["1"]], "| a | b |\n| --- | --- |\n| 1 |  |"),
        ([["", "a"], ["", ""], ["", "1"]], "| a |\n| --- |\n| 1 |"),
        ([["a|b", "two\nlines"]], "| a\\|b | two lines |\n| --- | --- |"),
    ],
)
def test_rows_become_a_markdown_table(rows, expected):
    assert markdown_table(rows) == expected

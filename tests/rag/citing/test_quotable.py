from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.rag.citing.quotable import MAX_QUOTE_CHARS, quotable_spans, quotables


def quotable(text):
    return [text[start:end] for start, end in quotable_spans(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("  \n ", []),
        ("Add 8 drops. Let it stand. See it.", ["Add 8 drops.", "Let it stand."]),
        ("# Water and its uses\nAdd 8 drops.\nThen drink it.", ["Add 8 drops.", "Then drink it."]),
        ("## Only a heading here", []),
        (
            "- Bleach: 6%\n- see\n1. Boil the water\n   for a minute.",
            ["Bleach: 6%", "Boil the water\n   for a minute."],
        ),
        (
            "| Agent | Dose |\n|---|---|\n| Bleach | 8 drops |\nAfter the table.",
            ["Bleach | 8 drops", "After the table."],
        ),
        ("* * *\nA line of text.\n---", ["A line of text."]),
        ("水是生命之源。", ["水是生命之源。"]),
    ],
)
def test_sentences_items_and_rows_can_be_quoted_and_headings_not(text, found):
    assert quotable(text) == found


def test_a_short_line_of_a_wrapped_text_is_a_heading():
    text = (
        "2 Water Treatment\nThis handbook tells how water is treated at home, with bleach or\n"
        "by boiling.\nStorage\nKeep it dark and cool in bottles that close tight, at all times."
    )
    assert quotable(text) == [
        "This handbook tells how water is treated at home, with bleach or\nby boiling.",
        "Keep it dark and cool in bottles that close tight, at all times.",
    ]


@pytest.mark.parametrize(
    ("rows", "is_table"), [(("Bleach 8 drops", "Iodine 5 drops"), True), (("Bleach 8", "Iodine five"), False)]
)
def test_short_lines_are_a_table_where_two_of_three_have_figures(rows, is_table):
    text = "\n".join(["Agent dose", *rows, "", "x" * 40 + " and words behind it so that the lines above are short."])
    found = [row for row in quotables(text) if row.header is not None]
    assert [text[row.start : row.end] for row in found] == (list(rows) if is_table else [])
    assert all(text[slice(*row.header)] == "Agent dose" for row in found)


def test_a_capital_at_the_start_of_a_wrapped_line_ends_no_sentence():
    text = "He moved with all of his family to the city of\nParis when he was still a young man."
    assert quotable(text) == [text]


def test_text_without_stops_is_cut_at_spaces():
    pieces = quotable("word " * 200)
    assert [len(piece) for piece in pieces] == [399, 399, 199]
    assert len(quotable("x" * 1000)) == 0  # three pieces of one word each


@given(st.text(st.sampled_from(list("ab A.!?|-#*1) \n\t。“”")), max_size=200))
def test_spans_are_ordered_trimmed_bounded_slices(text):
    spans = quotable_spans(text)
    assert all(0 <= start < end <= len(text) and end - start <= MAX_QUOTE_CHARS for start, end in spans)
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))

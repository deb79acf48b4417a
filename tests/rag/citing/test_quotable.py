from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.rag.citing.quotable import MAX_BLOCK_CHARS, MAX_QUOTE_CHARS, quotable_spans, quotables


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


@pytest.mark.parametrize(("width", "pieces"), [(55, 2), (65, 1)])
def test_a_line_shorter_than_three_fifths_of_the_longest_ends_a_paragraph(width, pieces):
    text = f"{'Water: for all of ':x<{width}}\nAnd {'so on':y<90}, to the end."
    assert len(quotable(text)) == pieces


def test_an_entry_of_a_table_of_contents_is_not_quoted_and_an_ellipsis_is():
    assert quotable("Storage of all water . . . . . . 3\nHeating of all water.......... 12") == []
    assert quotable("And so it went....") == ["And so it went...."]


CODE = "```sh\napt install sluice\n\nsluice --version\n```"


@pytest.mark.parametrize("lead", ["On Debian, install it with:", "## Installation on Debian"])
def test_code_is_quoted_with_the_line_that_leads_it(lead):
    text = f"It is small. {lead}\n\n{CODE}\n\nThen start it." if lead[0] != "#" else f"{lead}\n\n{CODE}"
    led = next(found for found in quotables(text) if found.through)
    assert text[led.start : led.end] == f"{lead.lstrip('# ')}\n\n{CODE}"
    assert led.through == led.end


def test_code_behind_a_finished_sentence_stands_alone():
    assert quotable(f"It is small.\n{CODE}") == ["It is small.", CODE]


def test_no_sentence_heading_or_table_is_seen_in_code():
    code = "~~~\n# one two. Three four five.\n| a | b |\n~~~"
    assert quotable(code) == [code]


def test_long_code_is_cut_at_line_ends():
    text = "```\n" + "print the figures\n" * 60 + "```"
    pieces = quotable(text)
    assert len(pieces) == 2
    assert all(piece.splitlines()[-1] in ("print the figures", "```") for piece in pieces)


@pytest.mark.parametrize(
    "block",
    [
        "- dry branches\n- paper of every kind,\n  and cardboard",
        "1. Copy the key.\n2. Restart the sender.",
        "| Code | Meaning |\n|---|---|\n| 0 | sent |\n| 7 | full |",
        "login guest\npump on 15\nlogout",
    ],
)
def test_what_introduces_a_block_is_quoted_through_it(block):
    text = f"It is so. You do the following:\n\n{block}\n\nThat was all of it."
    lead = quotables(text)[1]
    assert text[lead.start : lead.end] == "You do the following:"
    assert text[lead.start : lead.through] == f"You do the following:\n\n{block}"


@pytest.mark.parametrize("block", ["## Next\n- one item", "A sentence follows it.", ""])
def test_what_introduces_no_block_is_quoted_alone(block):
    assert quotables(f"You do the following:\n\n{block}")[0].through is None


def test_a_long_list_is_quoted_as_far_as_whole_items_fit():
    item = f"- {'word ' * 59}end"
    text = "You do the following:\n" + "\n".join([item] * 4)
    assert text[: quotables(text)[0].through] == "You do the following:\n" + "\n".join([item] * 2)


@given(st.text(st.sampled_from(list("ab A.!?|-#*1):,` \n\t。“”")), max_size=200))
def test_spans_are_ordered_trimmed_bounded_slices(text):
    spans = quotable_spans(text)
    bound = max(MAX_BLOCK_CHARS, MAX_QUOTE_CHARS)
    assert all(0 <= start < end <= len(text) and end - start <= bound for start, end in spans)
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))

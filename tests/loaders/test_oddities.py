import pytest
from lateral.loaders.document import Section
from lateral.loaders.oddities import LONG_LINE_CHARS, oddities


@pytest.mark.parametrize(
    "text",
    [
        "",
        "words",
        "Größe, שלום, مرحبا\u200f, naïve",
        "🏴\U000e0067\U000e0062\U000e0065\U000e007f",
        "two\nlines " * 200_000,
    ],
)
def test_ordinary_text_has_none(text):
    assert oddities([Section(text)]) == ()
    assert oddities([]) == ()


@pytest.mark.parametrize(
    ("text", "count"),
    [("a\u202eb\u202c", 2), ("\u2066a\u2069", 2), ("a\U000e0041\U000e0042", 2), ("🏴a\U000e0041", 1)],
)
def test_characters_that_turn_or_hide_words_are_told(text, count):
    assert oddities([Section(text)]) == (
        f"the text holds {count} invisible characters that turn or hide words: look at it before you trust it",
    )


def test_the_first_page_with_them_is_named():
    pages = [Section("a", 1), Section("\u202eb", 2), Section("\u202ec", 3)]
    assert oddities(pages) == (
        "the text holds 2 invisible characters that turn or hide words (the first on page 2): look at it before you "
        "trust it",
    )


@pytest.mark.parametrize("longer", [0, 1])
def test_a_line_that_is_no_prose_is_told(longer):
    warnings = oddities([Section("first\n" + "x" * (LONG_LINE_CHARS + longer))])
    assert [it.startswith("a line has 1,000,001 characters") for it in warnings] == [True] * longer

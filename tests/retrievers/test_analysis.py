import pytest
from lateral.retrievers.analysis import analyzer, placed_terms

TEXT = "The İstanbul flood: testing, TESTED and a straße of STRASSEN wells."


@pytest.mark.parametrize("language", ["english", "german", "none"])
@pytest.mark.parametrize("text", [TEXT, "", "?!", "İİİ wells İ dried", "ΟΔΟΣ οδός", "a\0b words\n\nmore"])
def test_placed_terms_are_the_analyzers_in_its_order(language, text):
    assert [term for term, _, _ in placed_terms(language, text)] == analyzer(language)(text)


def test_a_term_stands_where_its_word_does_also_behind_letters_that_lower_case_makes_longer():
    # "İ" becomes "i" and a combining dot, which is no letter: what is left of the word begins behind it.
    words = [TEXT[start:end] for _, start, end in placed_terms("english", TEXT)]
    assert words == ["stanbul", "flood", "testing", "TESTED", "straße", "STRASSEN", "wells"]

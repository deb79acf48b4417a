import pytest
from lateral.rag.lexical import capitalised, content_stems, numbers


def test_stems_leave_out_stopwords_and_fold_case():
    assert content_stems("The Pythons were running to the running PYTHON") == ["python", "run", "run", "python"]
    assert content_stems("what is it?") == content_stems("") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,000 and 1000 and 1,000.0", {"1000"}),
        ("6% or 6 % or 6 percent or 6.0 per cent", {"6%"}),
        ("1,234,567.50", {"1234567.5"}),
        ("3,5 g", {"3.5"}),
        ("6½ sacks, ½ cup is not read", {"6.5"}),
        ("version 1.2.3", {"1", "2", "3"}),
        ("the 1990s, 2nd, B12", {"1990", "2", "12"}),
        ("at -5 or −7, pages 10-12", {"-5", "-7", "10", "12"}),
        ("0.50 and 007 and -0", {"0.5", "7", "0"}),
        ("eight", set()),
        ("", set()),
    ],
)
def test_numbers_have_one_notation(text, found):
    assert numbers(text) == found


def test_number_words_and_bare_percentages_are_read_generously_on_request():
    assert numbers("Forty-two, eight or 6%", words=True) == {"40", "2", "42", "8", "6", "6%"}
    assert numbers("", words=True) == set()


def test_capitalised_words_know_whether_they_open_a_sentence():
    text = "Allen met the U.S. team. Napoleon lost: Wellington won. “Blücher came.” I saw IBM's O'Hara"
    assert capitalised(text) == [
        ("Allen", True),
        ("U.S", False),
        ("Napoleon", True),
        ("Wellington", True),
        ("Blücher", True),
        ("IBM", False),
        ("O", False),
        ("Hara", False),
    ]

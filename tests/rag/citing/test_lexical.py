import pytest
from lateral.rag.citing.lexical import capitalised, content_stems, evidence_stems, numbers, split_words, stems

SERIAL = "123456789012345678901234567890"


def test_words_are_runs_of_letters_and_digits():
    assert split_words("It's a_b, B12!") == ["It", "s", "a", "b", "B12"]
    assert stems("The Pythons were running") == ["the", "python", "were", "run"]


def test_stems_leave_out_stopwords_and_fold_case():
    assert content_stems("The Pythons were running to the running PYTHON") == ["python", "run", "run", "python"]
    assert content_stems("what is it?") == content_stems("") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$1,250.50", {"1250", "50"}),
        ("1,234,567 rows", {"1234567", "row"}),
        ("1,250,50", {"1", "250", "50"}),
        ("12,34", {"12", "34"}),
        ("1, 250 and a1,250", {"1", "250", "a1"}),
        ("rows 1,250,", {"row", "1250"}),
    ],
)
def test_a_number_of_thousands_is_one_word(text, found):
    assert evidence_stems(text) == found


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
        ("1234567890123456789012345678901 and 1234567890123456789012345678902", {SERIAL + "1", SERIAL + "2"}),
        (f"{SERIAL}0.10 and 1,000,000,{'000,' * 9}000", {SERIAL + "0.1", "1" + "0" * 36}),
        ("2¼ and 1.5½ and ٣ and -0½", {"2.25", "1.5", "3", "-0.5"}),
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


def test_a_number_may_have_a_million_digits():
    assert numbers("9" * 1_000_000) == {"9" * 1_000_000}


@pytest.mark.timeout(20)
def test_many_names_take_linear_time():
    assert len(capitalised("Ann " * 1_000_000)) == 1_000_000

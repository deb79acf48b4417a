import unicodedata

import pytest
from lateral.rag.evaluation.word_match import holds_words, split_words


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Add 6 ppm.", "6 PPM"),
        ("It is 5.5\nmetres, about.", "5.5 metres"),
        ("from 2020–2021 on", "2020-2021"),
        ("at −5 degrees", "-5 degrees"),
        ("The answer is (no).", "no"),
        ("a COVID-19 ward", "Covid-19"),
        ("every 24-hour day", "24"),
        ("see version 3.", "version 3"),
        ("东京是日本的首都", "东京"),
        (unicodedata.normalize("NFD", "Das Café Zürich"), "café zürich"),
        ("within ± 3", "±"),
        ("Straße", "STRASSE"),
    ],
)
def test_words_are_found_whatever_their_case_and_what_stands_between(text, wanted):
    assert holds_words(text, wanted)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Add 16 ppm", "6 ppm"),
        ("It is not so", "no"),
        ("It is 55 metres", "5.5 metres"),
        ("It is 5.5 metres", "5 metres"),
        ("It is 5.5 metres", "55 metres"),
        ("1,5 litres", "5 litres"),
        ("at -5 degrees", "5 degrees"),
        ("in 1,000 cases", "000 cases"),
        ("a COVID-19 ward", "19"),
        ("6 of 10 ppm", "6 ppm"),
        ("anything", " "),
    ],
)
def test_a_part_of_a_word_or_of_a_number_is_none(text, wanted):
    assert not holds_words(text, wanted)


def test_numbers_keep_what_belongs_to_them_and_sentences_do_not():
    assert split_words("At 5.5, -3.2 or .5: see p. 7.") == ["at", "5.5", "-3.2", "or", ".5", "see", "p", "7"]

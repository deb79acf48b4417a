import pytest
from lateral.loaders.ranges import bare_pages, pages_in_words, ranges


@pytest.mark.parametrize(("numbers", "expected"), [([7], "7"), ([1, 2], "1-2"), ([1, 2, 3, 7, 9, 10], "1-3, 7, 9-10")])
def test_runs_of_numbers_are_joined(numbers, expected):
    assert ranges(numbers) == expected


def test_pages_come_in_words_with_their_pronoun():
    assert pages_in_words([3]) == ("page 3", "it")
    assert pages_in_words([1, 2, 4]) == ("pages 1-2, 4", "them")


def test_pages_without_text_are_told_with_what_to_do():
    assert bare_pages([3]) == "page 3 has no text layer: run OCR on it first"
    assert bare_pages([1, 2]) == "pages 1-2 have no text layer: run OCR on them first"

"""Counts of tokens, which recent texts need not be counted again for."""

from lateral.retrievers.models import DEFAULT_BI_ENCODER, find_model
from lateral.retrievers.models.folder import read_layout
from lateral.retrievers.models.token_counter import RECENT_TEXTS, TokenCounter


def counter():
    return TokenCounter(read_layout(find_model(DEFAULT_BI_ENCODER).path))


def test_equal_texts_and_texts_seen_before_get_the_same_counts():
    counts = counter()
    texts = ["the bee", "a hive is full of bees", "the bee", ""]
    assert counts.count(texts) == counts.count(texts) == [2, 6, 2, 0]


def test_more_texts_than_are_remembered_are_counted_right():
    counts = counter()
    texts = [f"{'bee ' * (number % 5)}" for number in range(10)] + [f"bee {number}" for number in range(RECENT_TEXTS)]
    first = counts.count(texts)
    assert first[:10] == [0, 1, 2, 3, 4] * 2
    assert counts.count(texts[::-1]) == first[::-1]


def test_ids_of_recent_texts_are_at_hand():
    counts = counter()
    counts.count(["a hive is full of bees", ""])
    assert counts.recent("a hive is full of bees").tolist() == [1037, 26736, 2003, 2440, 1997, 13734]
    assert counts.recent("").tolist() == []
    assert counts.recent("the bee") is None

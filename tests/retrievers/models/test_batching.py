"""Batches: every text once, within the limits, alike in length."""

from hypothesis import given
from hypothesis import strategies as st
from lateral.retrievers.models.batching import BatchLimit, batches_by_length


def test_longest_come_first_and_equals_keep_their_order():
    batches = list(batches_by_length([3, 9, 3, 5], BatchLimit(texts=2, tokens=100)))
    assert batches == [[1, 3], [0, 2]]


def test_padding_counts_towards_the_tokens():
    assert list(batches_by_length([10, 2, 2], BatchLimit(texts=9, tokens=20))) == [[0, 1], [2]]


def test_text_above_the_limit_goes_alone():
    assert list(batches_by_length([50, 40, 1], BatchLimit(texts=9, tokens=30))) == [[0], [1], [2]]


def test_nothing_gives_no_batch():
    assert list(batches_by_length([], BatchLimit(1, 1))) == []


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 20), st.integers(1, 2000))
def test_every_text_is_in_one_batch_within_the_limits(lengths, texts, tokens):
    batches = list(batches_by_length(lengths, BatchLimit(texts, tokens)))
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= texts
        assert len(batch) == 1 or len(batch) * max(lengths[position] for position in batch) <= tokens

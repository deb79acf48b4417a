import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lateral.errors import InvalidArgumentError
from lateral.loaders.chunking import default_count_tokens
from lateral.loaders.packing import (
    CHARS_A_TOKEN,
    MAX_GAP_CHARS,
    MIN_PIECE_CHARS,
    PIECE_TOKENS,
    WHOLE_CHARS_A_TOKEN,
    cut_texts,
    pack,
    pack_evenly,
)


def words(texts):
    return [len(text.split()) for text in texts]


def characters(texts):
    return [len(text) for text in texts]


def contrary(texts):
    """Joined texts cost more than their parts: two tokens more for every space."""
    return [len(text.split()) + 2 * text.count(" ") for text in texts]


class Spy:
    """Counts as another counter does, and keeps what it was asked."""

    def __init__(self, count):
        self.count = count
        self.calls = []

    def __call__(self, texts):
        self.calls.append(list(texts))
        return self.count(texts)


def spans(text, count, limit, overlap=0):
    return cut_texts([text], [limit], count, overlap=overlap)[0]


def chunks(text, count, limit, overlap=0):
    return [text[start:end] for start, end in spans(text, count, limit, overlap)]


SENTENCES = " ".join(f"Sentence {number} has five words." for number in range(10))


class TestCutTexts:
    @pytest.mark.parametrize("text", ["", " \n\t"])
    def test_a_blank_text_has_no_chunk(self, text):
        assert spans(text, words, 8) == []

    def test_a_short_text_is_one_trimmed_chunk_for_one_call(self):
        calls = []

        def counted(texts):
            calls.append(list(texts))
            return words(texts)

        assert spans("  one. two. ", counted, 8, 2) == [(2, 11)]
        assert calls == [["one. two."]]

    def test_packs_whole_sentences_greedily(self):
        got = chunks(SENTENCES, words, 12, 0)
        assert got == [
            f"Sentence {number} has five words. Sentence {number + 1} has five words." for number in range(0, 10, 2)
        ]

    def test_repeats_the_last_sentences_that_fit_in_the_overlap(self):
        got = chunks(SENTENCES, words, 15, 7)
        assert got[0].endswith("Sentence 2 has five words.")
        assert got[1].startswith("Sentence 2 has five words. Sentence 3")

    def test_the_last_chunk_is_not_only_overlap(self):
        got = spans(SENTENCES, words, 15, 7)
        assert all(before[1] < after[1] for before, after in pairwise(got))

    def test_an_overlap_gives_way_to_a_long_new_sentence(self):
        text = "One two three. " + " ".join("abcdefghij") + "."
        assert chunks(text, words, 10, 5) == ["One two three.", "a b c d e f g h i j."]

    def test_a_long_sentence_is_cut_between_words(self):
        text = " ".join(f"word{number}" for number in range(100))
        got = chunks(text, words, 10, 0)
        assert " ".join(got) == text
        assert max(words(got)) <= 10

    def test_a_long_sentence_with_lines_is_cut_between_lines(self):
        text = "\n".join("let value be one" for _ in range(10))
        got = chunks(text, words, 8, 0)
        assert got == ["let value be one\nlet value be one"] * 5

    def test_a_long_word_is_cut_between_characters(self):
        got = chunks("x" * 100, characters, 10, 0)
        assert "".join(got) == "x" * 100
        assert max(map(len, got)) <= 10

    def test_a_word_that_counts_as_one_token_is_cut_by_its_length(self):
        got = chunks("QUJD" * 10_000, words, 64, 8)
        assert max(map(len, got)) <= 64 * CHARS_A_TOKEN
        assert len(got) >= 40_000 / (64 * CHARS_A_TOKEN)

    def test_a_tokenizer_that_is_not_additive_stays_within_the_size(self):
        got = chunks(SENTENCES * 20, contrary, 40, 0)
        assert max(contrary(got)) <= 40

    def test_a_small_excess_packs_tighter_without_crumbs(self):
        def joined_costs_a_little(texts):
            return [len(text.split()) + (len(text) > 150) for text in texts]

        got = chunks(" ".join([SENTENCES] * 20), joined_costs_a_little, 50, 0)
        assert max(joined_costs_a_little(got)) <= 50
        assert min(words(got)[:-1]) >= 40

    def test_calls_are_few_whatever_the_length(self):
        calls = []

        def counted(texts):
            calls.append(len(texts))
            return words(texts)

        spans(SENTENCES * 200, counted, 32, 6)
        assert len(calls) <= 3

    @settings(max_examples=200, deadline=None)
    @given(
        st.text(alphabet=st.sampled_from("ab. A!?\n-#|漢。\u0301"), max_size=400),
        st.sampled_from([words, characters, contrary, default_count_tokens]),
        st.integers(8, 40),
        st.data(),
    )
    def test_any_text_is_covered_in_bounded_advancing_chunks(self, text, count, size, data):
        found = spans(text, count, size, data.draw(st.integers(0, size // 2)))
        slices = [text[start:end] for start, end in found]
        covered = {at for start, end in found for at in range(start, end)}
        assert {at for at, character in enumerate(text) if not character.isspace()} <= covered
        assert all(piece == piece.strip() and piece for piece in slices)
        assert max(count(slices), default=0) <= size
        assert max(map(len, slices), default=0) <= size * CHARS_A_TOKEN
        assert all(one[0] < two[0] and one[1] < two[1] for one, two in pairwise(found))

    def test_a_long_line_takes_linear_time(self):
        text = "QUJD " * 400_000
        begun = time.perf_counter()
        spans(text, default_count_tokens, 254, 32)
        assert time.perf_counter() - begun < 20


class TestTokenizersThatAreNotAdditive:
    def test_a_span_is_halved_until_it_fits(self):
        def squared(texts):
            return [text.count(".") ** 2 for text in texts]

        # Eight sentences of one token each fill a span of 8, and cost 64; four cost 16; two cost 4.
        assert chunks("Aaa bbb. " * 16, squared, 8) == ["Aaa bbb. Aaa bbb."] * 8

    @pytest.mark.parametrize(("surcharge", "sizes"), [(1.25, [7, 7, 6]), (1.26, [5, 5, 5, 5])])
    def test_a_count_too_high_by_up_to_a_quarter_packs_tighter_and_others_are_halved(self, surcharge, sizes):
        def count(texts):
            return [round(100 * n * (surcharge if n > 1 else 1)) for n in (text.count(".") for text in texts)]

        # Ten sentences of 100 tokens fill 1,000 and cost 1,250: with the limit scaled by 0.8, eight cost 1,000:
        # three spans, and evenly they are of seven or fewer.
        got = chunks("Aaa bbb. " * 20, count, 1000)
        assert [piece.count(".") for piece in got] == sizes


class TestWhatIsCounted:
    @pytest.mark.parametrize(
        ("chars", "whole"), [(8 * WHOLE_CHARS_A_TOKEN, True), (8 * WHOLE_CHARS_A_TOKEN + 1, False)]
    )
    def test_a_text_that_may_fit_is_counted_whole_and_a_longer_one_is_not(self, chars, whole):
        text, spy = "a" * (chars - 3) + ". b", Spy(characters)
        spans(text, spy, 8)
        assert ([text] in spy.calls) is whole

    def test_a_sentence_is_counted_with_a_little_of_the_space_before_it(self):
        spy = Spy(words)
        spans("One two three." + "\n" * 99 + "Four five six.", spy, 4)
        assert spy.calls[0] == ["One two three.", "\n" * MAX_GAP_CHARS + "Four five six."]

    def test_a_wide_gap_does_not_make_a_sentence_too_long(self):
        assert chunks("One two." + " " * 99 + "Three.", characters, 30) == ["One two.", "Three."]

    @pytest.mark.parametrize(("limit", "size"), [(40, 40 // PIECE_TOKENS), (8, MIN_PIECE_CHARS)])
    def test_a_long_word_is_counted_in_pieces_that_fill_chunks(self, limit, size):
        spy = Spy(characters)
        spans("x" * 1000, spy, limit)
        assert {len(piece) for piece in spy.calls[1]} == {size}

    def test_a_count_of_another_length_is_refused(self):
        with pytest.raises(InvalidArgumentError, match="one count a text, got 0 for 1"):
            spans("text", lambda texts: [], 8)

    def test_texts_are_counted_together(self):
        spy = Spy(words)
        assert cut_texts(["One.", "", "Two."], [8, 8, 8], spy, overlap=0) == [[(0, 4)], [], [(0, 4)]]
        assert spy.calls == [["One.", "Two."]]


def test_pack_joins_units_within_tokens_and_characters():
    units = [(0, 5), (6, 10), (11, 20), (100, 110)]
    assert pack(units, [3, 3, 3, 3], limit=7, max_chars=50, overlap=0) == [(0, 10), (11, 20), (100, 110)]
    assert pack(units, [3, 3, 3, 3], limit=9, max_chars=500, overlap=3) == [(0, 20), (11, 110)]
    assert pack([(0, 5)], [99], limit=7, max_chars=2, overlap=0) == [(0, 5)]
    assert pack([], [], limit=7, max_chars=2, overlap=0) == []


class TestPackEvenly:
    @pytest.mark.parametrize(
        ("counts", "limit", "overlap", "sizes"),
        [
            ([1] * 9, 8, 0, [5, 4]),  # greedily 8 and 1
            ([1] * 21, 8, 0, [7, 7, 7]),  # greedily 8, 8 and 5
            ([5, 1, 1, 1, 1], 6, 0, [1, 4]),  # greedily 2 and 3
            ([1] * 9, 8, 2, [6, 5]),  # 5 that are new, 2 of them again
            ([9, 1, 1], 4, 0, [1, 2]),  # what is over the limit stands alone
            ([2, 2], 4, 0, [2]),
            ([], 4, 0, []),
        ],
    )
    def test_by_hand(self, counts, limit, overlap, sizes):
        units = [(10 * at, 10 * at + 9) for at in range(len(counts))]
        found = pack_evenly(units, counts, limit=limit, max_chars=1_000, overlap=overlap)
        assert [(end + 1 - start) // 10 for start, end in found] == sizes

    @given(st.lists(st.integers(1, 12), max_size=40), st.integers(1, 20), st.integers(0, 6))
    def test_no_more_spans_than_greedily_and_the_longest_is_no_longer(self, counts, limit, overlap):
        units = [(10 * at, 10 * at + 9) for at in range(len(counts))]
        limits = {"limit": limit, "max_chars": 150, "overlap": overlap}
        greedy, even = pack(units, counts, **limits), pack_evenly(units, counts, **limits)

        def longest(found):
            return max((sum(counts[start // 10 : end // 10 + 1]) for start, end in found), default=0)

        assert len(even) <= len(greedy)
        assert longest(even) <= longest(greedy)
        assert {at for start, end in even for at in range(start, end + 1, 10)} == {start for start, _ in units}

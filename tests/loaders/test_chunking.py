import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lateral.errors import InvalidArgumentError
from lateral.loaders.chunking import Chunker, chunk_spans, default_count_tokens, to_nodes
from lateral.loaders.document import Document, Section
from lateral.loaders.indexed_text import indexed_text
from lateral.loaders.node import document_id, node_id
from lateral.loaders.packing import CHARS_A_TOKEN, pack


def words(texts):
    return [len(text.split()) for text in texts]


def characters(texts):
    return [len(text) for text in texts]


def contrary(texts):
    """Joined texts cost more than their parts: two tokens more for every space."""
    return [len(text.split()) + 2 * text.count(" ") for text in texts]


def chunks(text, chunker, budget=None):
    return [text[start:end] for start, end in chunk_spans(text, chunker, budget)]


SENTENCES = " ".join(f"Sentence {number} has five words." for number in range(10))


class TestChunker:
    def test_refuses_a_tiny_chunk_size(self):
        with pytest.raises(InvalidArgumentError, match="chunk_size must be at least 8, got 7"):
            Chunker(words, 7, 0)

    @pytest.mark.parametrize("overlap", [-1, 9])
    def test_refuses_an_overlap_out_of_bounds(self, overlap):
        with pytest.raises(InvalidArgumentError, match=rf"chunk_overlap must be .* \(8\), got {overlap}"):
            Chunker(words, 16, overlap)

    def test_refuses_a_count_of_another_length(self):
        with pytest.raises(InvalidArgumentError, match="one count a text, got 0 for 1"):
            chunk_spans("text", Chunker(lambda texts: [], 8, 0))

    def test_refuses_a_budget_below_one(self):
        with pytest.raises(InvalidArgumentError, match="budget must be at least 1, got 0"):
            chunk_spans("text", Chunker(words, 8, 0), 0)


class TestChunkSpans:
    @pytest.mark.parametrize("text", ["", " \n\t"])
    def test_a_blank_text_has_no_chunk(self, text):
        assert chunk_spans(text, Chunker(words, 8, 0)) == []

    def test_a_short_text_is_one_trimmed_chunk_for_one_call(self):
        calls = []

        def counted(texts):
            calls.append(list(texts))
            return words(texts)

        assert chunk_spans("  one. two. ", Chunker(counted, 8, 2)) == [(2, 11)]
        assert calls == [["one. two."]]

    def test_packs_whole_sentences_greedily(self):
        got = chunks(SENTENCES, Chunker(words, 12, 0))
        assert got == [
            f"Sentence {number} has five words. Sentence {number + 1} has five words." for number in range(0, 10, 2)
        ]

    def test_repeats_the_last_sentences_that_fit_in_the_overlap(self):
        got = chunks(SENTENCES, Chunker(words, 15, 7))
        assert got[0].endswith("Sentence 2 has five words.")
        assert got[1].startswith("Sentence 2 has five words. Sentence 3")

    def test_the_last_chunk_is_not_only_overlap(self):
        spans = chunk_spans(SENTENCES, Chunker(words, 15, 7))
        assert all(before[1] < after[1] for before, after in pairwise(spans))

    def test_an_overlap_gives_way_to_a_long_new_sentence(self):
        text = "One two three. " + " ".join("abcdefghij") + "."
        assert chunks(text, Chunker(words, 10, 5)) == ["One two three.", "a b c d e f g h i j."]

    def test_a_long_sentence_is_cut_between_words(self):
        text = " ".join(f"word{number}" for number in range(100))
        got = chunks(text, Chunker(words, 10, 0))
        assert " ".join(got) == text
        assert max(words(got)) <= 10

    def test_a_long_sentence_with_lines_is_cut_between_lines(self):
        text = "\n".join("let value be one" for _ in range(10))
        got = chunks(text, Chunker(words, 8, 0))
        assert got == ["let value be one\nlet value be one"] * 5

    def test_a_long_word_is_cut_between_characters(self):
        got = chunks("x" * 100, Chunker(characters, 10, 0))
        assert "".join(got) == "x" * 100
        assert max(map(len, got)) <= 10

    def test_a_word_that_counts_as_one_token_is_cut_by_its_length(self):
        got = chunks("QUJD" * 10_000, Chunker(words, 64, 8))
        assert max(map(len, got)) <= 64 * CHARS_A_TOKEN
        assert len(got) >= 40_000 / (64 * CHARS_A_TOKEN)

    def test_a_tokenizer_that_is_not_additive_stays_within_the_size(self):
        got = chunks(SENTENCES * 20, Chunker(contrary, 40, 0))
        assert max(contrary(got)) <= 40

    def test_a_small_excess_packs_tighter_without_crumbs(self):
        def joined_costs_a_little(texts):
            return [len(text.split()) + (len(text) > 150) for text in texts]

        got = chunks(" ".join([SENTENCES] * 20), Chunker(joined_costs_a_little, 50, 0))
        assert max(joined_costs_a_little(got)) <= 50
        assert min(words(got)[:-1]) >= 40

    def test_calls_are_few_whatever_the_length(self):
        calls = []

        def counted(texts):
            calls.append(len(texts))
            return words(texts)

        chunk_spans(SENTENCES * 200, Chunker(counted, 32, 6))
        assert len(calls) <= 3

    @settings(max_examples=200, deadline=None)
    @given(
        st.text(alphabet=st.sampled_from("ab. A!?\n-#|漢。\u0301"), max_size=400),
        st.sampled_from([words, characters, contrary, default_count_tokens]),
        st.integers(8, 40),
        st.data(),
    )
    def test_any_text_is_covered_in_bounded_advancing_chunks(self, text, count, size, data):
        chunker = Chunker(count, size, data.draw(st.integers(0, size // 2)))
        spans = chunk_spans(text, chunker)
        slices = [text[start:end] for start, end in spans]
        covered = {at for start, end in spans for at in range(start, end)}
        assert {at for at, character in enumerate(text) if not character.isspace()} <= covered
        assert all(piece == piece.strip() and piece for piece in slices)
        assert max(count(slices), default=0) <= size
        assert max(map(len, slices), default=0) <= size * CHARS_A_TOKEN
        assert all(one[0] < two[0] and one[1] < two[1] for one, two in pairwise(spans))

    def test_a_long_line_takes_linear_time(self):
        text = "QUJD " * 400_000
        begun = time.perf_counter()
        chunk_spans(text, Chunker(default_count_tokens))
        assert time.perf_counter() - begun < 20


def test_pack_joins_units_within_tokens_and_characters():
    units = [(0, 5), (6, 10), (11, 20), (100, 110)]
    assert pack(units, [3, 3, 3, 3], limit=7, max_chars=50, overlap=0) == [(0, 10), (11, 20), (100, 110)]
    assert pack(units, [3, 3, 3, 3], limit=9, max_chars=500, overlap=3) == [(0, 20), (11, 110)]
    assert pack([(0, 5)], [99], limit=7, max_chars=2, overlap=0) == [(0, 5)]
    assert pack([], [], limit=7, max_chars=2, overlap=0) == []


def test_default_count_is_words_punctuation_and_cjk_characters():
    # "Hello" "," "world" "!" = 4; two CJK characters = 2; 30 letters in runs of 12 = 3.
    assert default_count_tokens(["Hello, world!", "漢字", "a" * 30, ""]) == [4, 2, 3, 0]


class TestToNodes:
    def test_chunks_stay_in_their_sections_and_are_exact_slices(self):
        text = "# A\n\nFirst words here.\n\n# B\n\nSecond words here."
        document = Document("/x.md", (Section(text[:24]), Section(text[24:], start_char=24)), {"file_name": "x.md"})
        nodes = to_nodes(document, Chunker(words, 8, 0))
        assert [node.text for node in nodes] == ["# A\n\nFirst words here.", "# B\n\nSecond words here."]
        assert all(text[node.start_char : node.end_char] == node.text for node in nodes)
        assert all(node.kind == "chunk" and node.page is None for node in nodes)

    def test_a_page_has_its_own_node_before_its_chunks(self):
        pages = (Section(" One. ", page=1, metadata={"page_label": "i"}), Section("", page=2))
        nodes = to_nodes(Document("/x.pdf", pages, {"title": "T"}), Chunker(words, 8, 0))
        assert [(node.kind, node.page, node.text, node.start_char, node.end_char) for node in nodes] == [
            ("page", 1, " One. ", 0, 6),
            ("chunk", 1, "One.", 1, 5),
            ("page", 2, "", 0, 0),
        ]
        assert dict(nodes[1].metadata) == {"title": "T", "page_label": "i"}

    def test_ids_are_the_hash_of_place_and_content(self):
        node = to_nodes(Document("mem", (Section("  Text."),)), Chunker(words, 8, 0))[0]
        assert node.document_id == document_id("mem")
        assert node.id == node_id(document_id("mem"), None, "chunk", 2, "Text.")

    def test_ids_are_distinct_for_equal_texts_in_different_places(self):
        document = Document("mem", (Section("Same."), Section("Same.", start_char=5)))
        assert len({node.id for node in to_nodes(document, Chunker(words, 8, 0))}) == 2

    def test_the_context_line_counts(self):
        section = Section(SENTENCES, metadata={"header_path": "Care > Feeding"})
        nodes = to_nodes(Document("mem", (section,), {"title": "Pythons"}), Chunker(words, 20, 0))
        assert max(words([indexed_text(node) for node in nodes])) <= 20
        assert max(words([node.text for node in nodes])) == 15  # 20 less "Pythons > Care > Feeding" is 15

    def test_the_context_line_takes_at_most_half(self):
        section = Section(SENTENCES, metadata={"header_path": "so many words in the path of it here"})
        nodes = to_nodes(Document("mem", (section,)), Chunker(words, 10, 0))
        assert all(node.text == f"Sentence {at} has five words." for at, node in enumerate(nodes))

    def test_section_metadata_wins(self):
        document = Document("mem", (Section("Text", metadata={"title": "mine"}),), {"title": "all", "page_count": 1})
        assert dict(to_nodes(document, Chunker(words, 8, 0))[0].metadata) == {"title": "mine", "page_count": 1}

import pytest
from lateral.errors import InvalidArgumentError
from lateral.loaders.chunking import Chunker, default_count_tokens, to_nodes
from lateral.loaders.document import Document, Section
from lateral.loaders.indexed_text import indexed_text
from lateral.loaders.node import document_id, node_id


def words(texts):
    return [len(text.split()) for text in texts]


SENTENCES = " ".join(f"Sentence {number} has five words." for number in range(10))


class TestChunker:
    def test_refuses_a_tiny_chunk_size(self):
        with pytest.raises(InvalidArgumentError, match="chunk_size must be at least 8, got 7"):
            Chunker(words, 7, 0)

    @pytest.mark.parametrize("overlap", [-1, 9])
    def test_refuses_an_overlap_out_of_bounds(self, overlap):
        with pytest.raises(InvalidArgumentError, match=rf"chunk_overlap must be .* \(8\), got {overlap}"):
            Chunker(words, 16, overlap)


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

import pytest
from lateral.loaders.indexed_text import LINE_CHARS, context_line, indexed_text
from lateral.loaders.node import Node


def node(text, metadata):
    return Node("n", "d", "mem", None, "chunk", text, 0, len(text), metadata)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, ""),
        ({"title": "  "}, ""),
        ({"title": None, "header_path": ""}, ""),
        ({"title": "Pythons"}, "Pythons"),
        ({"header_path": "A > B"}, "A > B"),
        ({"title": "Pythons", "header_path": "Care > Feeding"}, "Pythons > Care > Feeding"),
        ({"title": "Pythons", "header_path": "pythons > Feeding"}, "Pythons > Feeding"),
        ({"title": "Two\n lines"}, "Two lines"),
        ({"title": "x" * 100}, "x" * 79 + "…"),
    ],
)
def test_context_line(metadata, expected):
    assert context_line(metadata) == expected


def test_a_long_path_keeps_its_ends():
    path = " > ".join(f"{number} " + "x" * 60 for number in range(6))
    line = context_line({"title": "Title", "header_path": path})
    assert len(line) <= LINE_CHARS
    assert line.startswith("Title > ")
    assert line.endswith("5 " + "x" * 60)


def test_the_part_behind_the_title_goes_first():
    # 4 parts of 60 characters and 3 separators of 3 are 249; without one of them they are 186.
    title, top, middle, last = (letter * 60 for letter in "tabc")
    assert context_line({"title": title, "header_path": f"{top} > {middle} > {last}"}) == f"{title} > {middle} > {last}"


def test_a_line_of_the_greatest_length_keeps_all_parts():
    # 3 parts and 2 separators of 3: 64 + 65 + 65 + 6 = 200.
    path = f"{'a' * 64} > {'b' * 65} > {'c' * 65}"
    assert context_line({"header_path": path}) == path
    assert context_line({"header_path": f"{path}c"}) == f"{'a' * 64} > {'c' * 66}"


def test_the_line_stands_above_the_text():
    assert indexed_text(node("Feed weekly.", {"title": "Pythons"})) == "Pythons\nFeed weekly."


@pytest.mark.parametrize("text", ["# Pythons\n\nFeed weekly.", "PYTHONS are snakes."])
def test_a_text_that_begins_with_its_line_stays_as_it_is(text):
    assert indexed_text(node(text, {"title": "Pythons"})) == text


def test_a_text_without_context_stays_as_it_is():
    assert indexed_text(node("Feed weekly.", {})) == "Feed weekly."

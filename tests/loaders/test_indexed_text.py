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


def test_the_line_stands_above_the_text():
    assert indexed_text(node("Feed weekly.", {"title": "Pythons"})) == "Pythons\nFeed weekly."


@pytest.mark.parametrize("text", ["# Pythons\n\nFeed weekly.", "PYTHONS are snakes."])
def test_a_text_that_begins_with_its_line_stays_as_it_is(text):
    assert indexed_text(node(text, {"title": "Pythons"})) == text


def test_a_text_without_context_stays_as_it_is():
    assert indexed_text(node("Feed weekly.", {})) == "Feed weekly."

import pytest
from lateral.loaders.sections import MIN_SECTION_CHARS, Heading, first_title, sections_at


def outline(text):
    """The sections of a text whose lines that begin with "#" are headings."""
    headings, start = [], 0
    for line in text.splitlines(keepends=True):
        if line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            headings.append(Heading(start, start + len(line), level, line.strip("# \n")))
        start += len(line)
    return [(part.metadata.get("header_path"), part.text) for part in sections_at(text, headings)]


def test_a_text_without_headings_is_one_section():
    assert outline("One.\n") == [(None, "One.\n")]
    assert outline(" \n") == []


def test_a_short_text_before_the_first_heading_stands_alone():
    assert outline("Intro.\n# A\nShort.\n") == [(None, "Intro.\n"), ("A", "# A\nShort.\n")]


@pytest.mark.parametrize(("chars", "paths"), [(MIN_SECTION_CHARS - 1, ["A"]), (MIN_SECTION_CHARS, ["A", "A > B"])])
def test_neighbours_are_joined_when_both_are_small(chars, paths):
    long = "# A\n".ljust(chars, "x")
    assert [path for path, _ in outline(f"{long}\n## B\nShort.\n")] == paths


def test_a_small_section_does_not_go_with_one_above_it():
    text = f"# A\n{'x' * MIN_SECTION_CHARS}\n## B\nShort.\n# C\nShort.\n"
    assert [path for path, _ in outline(text)] == ["A", "A > B", "C"]


def test_the_first_title_is_of_level_one_and_has_words():
    assert first_title([Heading(0, 1, 2, "Two"), Heading(1, 2, 1, ""), Heading(2, 3, 1, "One")]) == "One"
    assert first_title([]) is None

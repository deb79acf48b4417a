import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lateral.loaders.markdown import MAX_TITLE_CHARS, read_markdown

LONG = "Feed an adult one rat a week, thawed and warmed, and leave it alone for two days after it has eaten."


def read(text):
    return read_markdown(text.encode(), "/a.md")


def outline(document):
    return [(section.metadata.get("header_path"), section.text) for section in document.sections]


def test_sections_are_verbatim_slices_at_headings():
    text = f"# Pythons\n\n{LONG}\n\n## Care\n\n{LONG} More.\n\n### Feeding\n\n*{LONG}*\n\n## Health\n\n{LONG}\n"
    document = read(text)
    assert [path for path, _ in outline(document)] == [
        "Pythons",
        "Pythons > Care",
        "Pythons > Care > Feeding",
        "Pythons > Health",
    ]
    assert "".join(section.text for section in document.sections) == text
    assert all(text[s.start_char : s.start_char + len(s.text)] == s.text for s in document.sections)
    assert document.metadata == {"title": "Pythons"}


def test_offsets_count_characters_of_the_decoded_file():
    document = read_markdown(f"\ufeffÜber\r\n\r\n# Ä\r\n\r\n{LONG}".encode(), "/a.md")
    assert [section.start_char for section in document.sections] == [0, 6]
    assert document.sections[1].text == f"# Ä\n\n{LONG}"


def test_a_hash_in_code_is_no_heading():
    document = read(f"# A\n\n```sh\n# comment\n```\n\n    # indented\n\n<!--\n# hidden\n-->\n\n> # quoted\n\n{LONG}")
    assert [path for path, _ in outline(document)] == ["A"]


def test_of_a_heading_that_is_a_paragraph_only_the_beginning_is_a_title():
    assert read(f"# {'x' * (MAX_TITLE_CHARS + 1)}\n\n{LONG}").metadata["title"] == "x" * MAX_TITLE_CHARS


def test_underlined_lines_are_headings():
    document = read(f"Title\n=====\n\n{LONG}\n\nPart\n----\n\n{LONG}")
    assert [path for path, _ in outline(document)] == ["Title", "Title > Part"]
    assert document.metadata["title"] == "Title"


def test_markup_is_no_part_of_a_title():
    document = read(f"# The *big* `code` [link](http://x.y) &amp; more {{#anchor}}\n\n{LONG}")
    assert document.metadata["title"] == "The big code link & more"


@pytest.mark.parametrize("closing", ["---", "..."])
def test_front_matter_is_no_heading_and_may_give_the_title(closing):
    text = f'---\ntitle: "Ball pythons"\ntags: a\n{closing}\n\n{LONG}\n\n## Care\n\n{LONG}'
    document = read(text)
    assert [path for path, _ in outline(document)] == [None, "Care"]
    assert document.metadata["title"] == "Ball pythons"
    assert "".join(section.text for section in document.sections) == text


def test_dashes_elsewhere_are_no_front_matter():
    document = read(f"{LONG}\n\n---\ntitle: x\n---\n\n{LONG}")
    assert [path for path, _ in outline(document)] == [None, "title: x"]


def test_a_heading_without_a_body_goes_with_what_follows():
    document = read(f"# A\n\n## B\n\n{LONG}\n")
    assert outline(document) == [("A > B", f"# A\n\n## B\n\n{LONG}\n")]


def test_a_heading_without_anything_below_goes_with_what_stands_before():
    text = f"# A\n\n{LONG}\n\n## B\n\n# C\n\n{LONG}\n\n## D\n"
    assert [path for path, _ in outline(read(text))] == ["A", "C"]
    assert "".join(section.text for section in read(text).sections) == text


def test_small_neighbours_are_joined_under_what_they_share():
    document = read(f"# A\n\n{LONG}\n\n## B\n\nShort.\n\n## C\n\nShort too.\n\n## D\n\n{LONG}")
    assert [path for path, _ in outline(document)] == ["A", "A", "A > D"]
    assert document.sections[1].text == "## B\n\nShort.\n\n## C\n\nShort too.\n\n"


def test_a_small_section_beside_a_long_one_stands_alone():
    document = read(f"# A\n\n{LONG}\n\n## License\n\nMIT.\n\n## D\n\n{LONG}")
    assert [path for path, _ in outline(document)] == ["A", "A > License", "A > D"]


def test_a_file_of_one_heading_keeps_it():
    assert outline(read("# Only\n")) == [("Only", "# Only\n")]


def test_a_file_without_headings_is_one_section():
    assert outline(read(LONG)) == [(None, LONG)]


def test_an_empty_heading_is_no_title():
    document = read(f"#\n\n{LONG}")
    assert document.metadata == {}
    assert outline(document) == [(None, f"#\n\n{LONG}")]


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab #-=`>\n*\t"), max_size=150))
def test_sections_together_are_the_text(text):
    document = read(text)
    joined = "".join(section.text for section in document.sections)
    assert joined == text or not text[: len(text) - len(joined)].strip()
    assert all(text[s.start_char : s.start_char + len(s.text)] == s.text for s in document.sections)


@pytest.mark.parametrize("unit", [">", "- ", "[", "#", "```\n", "<!-- ", "a\n", "---\n", "# x\n"])
def test_hostile_repetition_is_read_in_bounded_time(unit):
    begun = time.perf_counter()
    read(unit * 20_000 + "\n# x\n")
    assert time.perf_counter() - begun < 15

import pytest
from lateral.loaders.properties import MAX_METADATA_CHARS, named_properties


def test_title_and_author_are_folded_and_bounded():
    assert named_properties(" Care\n guide\0 ", "x" * 999) == {
        "title": "Care guide",
        "author": "x" * MAX_METADATA_CHARS,
    }


@pytest.mark.parametrize("name", [None, "", "  ", "Document3", "PowerPoint Presentation", "openpyxl", "Word Document"])
def test_what_names_nothing_is_left_out(name):
    assert named_properties(name, name) == {}


@pytest.mark.parametrize("name", ["Words", "Slide 12", "Document of the year"])
def test_what_names_something_stays(name):
    assert named_properties(name, None) == {"title": name}

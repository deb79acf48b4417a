"""What a terminal gets of long texts."""

import pytest
from lateral.tools.cli.output import shortened


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("ten\n chars!", "ten chars!"),
        ("one two three", "one two …"),
        ("one two  threefour", "one two …"),
        ("水箱必须每月清洗一次吧呢", "水箱必须每月清洗 …"),
        ("A 水箱必须每月清洗一次", "A 水箱必须每月 …"),
        ("f0f0f0f0f0f0", "f0f0f0f0 …"),
    ],
)
def test_a_long_text_is_cut_between_words_and_else_where_the_line_ends(text, expected):
    assert shortened(text, 10) == expected
    assert len(expected) <= 10

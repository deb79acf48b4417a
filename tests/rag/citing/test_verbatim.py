import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.rag.citing.verbatim import find_verbatim

TEXT = "Add 15 drops of **6% bleach** to each gal-\nlon — “stir” it,\n  then ﬁlter. A well-known cafe\u0301 at 6.5 V…"


@pytest.mark.parametrize(
    ("quote", "slice_"),
    [
        ("Add 15 drops", "Add 15 drops"),
        ("drops of 6% bleach to each gallon", "drops of **6% bleach** to each gal-\nlon"),
        ("each gal- lon - 'stir'".replace("'", '"'), "each gal-\nlon — “stir”"),
        ("it, then filter", "it,\n  then ﬁlter"),
        ("then filter!", "then ﬁlter"),
        ("A well-\nknown", "A well-known"),
        ("known café", None),
        ("well-known café at 6.5 V...", "well-known cafe\u0301 at 6.5 V…"),
        ("add 15 drops", None),
        ("5 drops", None),
        ("at 6", None),
        ("rops of", None),
        ("Add drops", None),
        ("Add ... bleach", None),
        ("", None),
        ("  …", None),
    ],
)
def test_a_quote_is_found_whatever_its_typography_and_only_whole(quote, slice_):
    span = find_verbatim(quote, TEXT)
    assert (None if span is None else TEXT[slice(*span)]) == slice_


@pytest.mark.parametrize(
    ("quote", "text", "slice_"),
    [
        ("水箱必须每月清洗一次", "规定水箱必须每月清洗一次，过滤器", "水箱必须每月清洗一次"),
        ("水箱必须每月清洗一次。", "规定水箱必须每月清洗一次，过滤器", "水箱必须每月清洗一次"),
        ("タンクは毎月", "このタンクは毎月洗う。", "タンクは毎月"),
        ("ถังน้ำ", "ล้างถังน้ำทุกเดือน", "ถังน้ำ"),
        ("Python", "请使用Python编写", "Python"),
        ("5滴", "每升加5滴漂白剂", "5滴"),
        ("5滴", "每升加15滴漂白剂", None),
        ("五滴", "每升加十五滴漂白剂", None),
        ("加十", "每升加十五滴漂白剂", None),
        ("๕ หยด", "ใช้๑๕ หยด", None),
        ("水箱必须每年", "规定水箱必须每月清洗一次", None),
    ],
)
def test_in_scripts_without_blanks_a_quote_begins_and_ends_anywhere_but_in_a_number(quote, text, slice_):
    span = find_verbatim(quote, text)
    assert (None if span is None else text[slice(*span)]) == slice_


def test_nothing_stands_in_an_empty_text():
    assert find_verbatim("word", "") is None


@pytest.mark.parametrize("text", ["drops\u200b today", "dr\u00adops today", "drops\u00a0today", "drops** today"])
def test_what_is_not_seen_does_not_count(text):
    assert find_verbatim("drops today", text) == (0, len(text))


@given(
    words=st.lists(st.text(st.characters(categories=["L", "N", "Po"]), min_size=1), min_size=1, max_size=8),
    data=st.data(),
)
def test_words_cut_from_a_text_are_found_in_it(words, data):
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first + 1, len(words)))
    quote = " ".join(words[first:last])
    text = "\n ".join(words)
    span = find_verbatim(quote, text)
    if any(char.isalnum() for char in quote):
        assert span is not None
        assert 0 <= span[0] < span[1] <= len(text)


@pytest.mark.parametrize("quote", ["Use it: apt install", "Use it:\n~~~\napt install\n~~~", "```\napt install\n```"])
def test_lines_that_fence_code_do_not_count(quote):
    assert find_verbatim(quote, "So:\n\nUse it:\n\n  ```sh\n  apt install\n  ```\nDone.") is not None


@pytest.mark.parametrize("text", ["It is 5 m wide at ``` end", "``` and so to the end"])
def test_code_marks_in_a_line_of_words_fence_nothing(text):
    assert find_verbatim("end", text) == (len(text) - 3, len(text))

"""The picture, read back with an HTML parser."""

import pytest
from lateral.retrievers.explanation import Explanation, Part
from lateral.retrievers.shading import MAX_ROWS, html_page, html_text, picture, shown_text
from selectolax.lexbor import LexborHTMLParser as Parser

TEXT = "The flooded well is tested. Floods come back."
HOSTILE = "<script>alert(1)</script> </title> <img src=x onerror='a()'> & \" ' `"


def explanation(*parts, method="bm25", text=TEXT, rest=0.0):
    return Explanation("query", "id", method, parts, 1.0, text, rest)


def marks(html):
    return [(mark.text(), mark.attributes["title"], mark.attributes["style"]) for mark in Parser(html).css("mark")]


def cells(html):
    return [[cell.text() for cell in row.css("td")] for row in Parser(html).css("tbody tr")]


def alpha(style):
    return float(style.partition("rgba(")[2].partition(")")[0].split(",")[3])


def test_what_matched_is_shaded_by_its_share_and_the_text_stays_whole():
    flood = Part("flood", "flooded, Floods", 1.5, 0.75, ((4, 11), (28, 34)), "flood")
    html = picture(explanation(flood, Part("wells", "well", 0.5, 0.25, ((12, 16),), "well")))
    found = marks(html)
    assert [text for text, _, _ in found] == ["flooded", "well", "Floods"]
    assert found[0][1] == "flood: 1.500, 75.0%"
    assert alpha(found[0][2]) == alpha(found[2][2]) > alpha(found[1][2]) > 0
    assert Parser(html).css_first("div div[dir=auto]").text() == TEXT


def test_shares_of_parts_that_matched_the_same_token_are_added_up():
    parts = [Part(name, "well", 1.0, 0.3, ((12, 16),)) for name in "ab"]
    found = marks(picture(explanation(*parts, Part("c", "The", 1.0, 0.4, ((0, 3),)), method="maxsim", rest=0.0)))
    assert found[1][:2] == ("well", "a: 1.000, 30.0%; b: 1.000, 30.0%")
    assert alpha(found[1][2]) > alpha(found[0][2])


def test_overlapping_spans_are_cut_where_they_cross():
    parts = [Part("a", "x", 1.0, 0.5, ((0, 6),)), Part("b", "x", 1.0, 0.5, ((4, 11),))]
    assert [text for text, _, _ in marks(picture(explanation(*parts)))] == ["The ", "fl", "ooded"]


@pytest.mark.parametrize("span", [(-1, 3), (5, 5), (7, 4), (0, 10_000)])
def test_a_span_outside_the_text_is_not_shaded(span):
    html = picture(explanation(Part("a", "x", 1.0, 1.0, (span,))))
    assert marks(html) == []
    assert Parser(html).css_first("div div[dir=auto]").text() == TEXT


def test_a_sentence_that_pulls_the_cosine_down_is_not_shaded_and_its_number_is_shown():
    parts = [Part("q", TEXT[:27], 0.2, 1.0, ((0, 27),)), Part("q", TEXT[28:], -0.1, 0.0, ((28, 45),))]
    html = picture(explanation(*parts, method="leave-one-out"))
    styles = [style for _, _, style in marks(html)]
    assert "rgba" in styles[0]
    assert "rgba" not in styles[1]
    assert cells(html) == [[TEXT[:27], "0.200", "100.0%"], [TEXT[28:], "-0.100", "0.0%"]]


def test_the_table_says_in_numbers_what_the_shades_say():
    parts = [Part("flooded", "Floods", 1.5, 0.5, (), "flood"), Part("dry", "", 0.0, 0.0)]
    html = picture(explanation(*parts, rest=0.5), stage="my stage")
    assert cells(html) == [
        ["flooded (flood)", "Floods", "1.500", "50.0%"],
        ["dry", "not in the text", "0.000", "0.0%"],
        ["special tokens", "", "", "50.0%"],
    ]
    assert "my stage" in html


@pytest.mark.parametrize("method", ["bm25", "leave-one-out", "maxsim", "a method of one's own"])
def test_whatever_a_text_holds_is_shown_as_text(method):
    part = Part(HOSTILE, HOSTILE, 1.0, 1.0, ((0, len(HOSTILE)),), HOSTILE)
    html = html_page(HOSTILE, picture(Explanation(HOSTILE, HOSTILE, method, (part,), 1.0, HOSTILE), stage=HOSTILE))
    page = Parser(html)
    assert page.css("script, img, b, a, link, iframe, object, style") == []
    assert not [tag.attributes for tag in page.css("*") if {"onerror", "onclick", "src", "href"} & set(tag.attributes)]
    assert page.css_first("mark").text() == HOSTILE
    assert page.css_first("title").text() == HOSTILE
    assert page.css_first("mark").attributes["title"].startswith("<script>" if method != "leave-one-out" else "1.000")


def test_a_page_loads_and_runs_nothing():
    page = Parser(html_page("title", "<p>body</p>"))
    policy = page.css_first("meta[http-equiv=Content-Security-Policy]").attributes["content"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_what_would_turn_or_end_a_line_is_replaced():
    assert shown_text("a\x1b[31m\u202eb\ud800\0c\n\td") == "a\ufffd[31m\ufffdb\ufffd\ufffdc\n\td"
    assert html_text("<\u2067>") == "&lt;\ufffd&gt;"
    html_page("\ud800", picture(explanation(Part("\ud800", "\ud800", 1.0, 1.0)))).encode()


def test_a_long_table_is_cut_and_says_so():
    html = picture(explanation(*(Part(f"w{number}", "", 0.0, 0.0) for number in range(MAX_ROWS + 7))))
    assert len(cells(html)) == MAX_ROWS + 1
    assert cells(html)[-1][0] == "and 7 more"


def test_nothing_that_matched_is_said():
    assert "Nothing of the query matched" in picture(explanation())
    assert "Nothing of the query matched" in picture(explanation(text=""))

import pytest
from lateral.rag.plain_markdown import plain_markdown
from markdown_it import MarkdownIt


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "![x](http://evil.example/x.png) [y](javascript:alert(1))",
        "`code` **bold** _em_ ~~gone~~ # head | cell",
        "&lt;script&gt; &#60;b&#62;",
        r"\<b> \\<b>",
        "{% raw %} $x$ + - 1. ",
    ],
)
def test_a_text_is_shown_letter_by_letter(text):
    html = MarkdownIt("js-default", {"html": True, "linkify": False}).renderInline(plain_markdown(f"a {text}"))
    shown = html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    assert shown == f"a {text}".rstrip()


@pytest.mark.parametrize("address", ["https://evil.example", "WWW.evil.example", "a@evil.example"])
def test_an_address_is_not_left_for_a_renderer_that_links_it(address):
    assert address not in plain_markdown(address)
    assert MarkdownIt().renderInline(plain_markdown(address)) == address


def test_it_is_one_line_without_what_can_not_be_shown():
    assert plain_markdown("a\n\n# b\t\x1b[31m\u202ec") == "a \\# b \ufffd\\[31m\ufffdc"

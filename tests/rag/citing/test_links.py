"""What a model writes leads nowhere: rendered, it holds no link, no image and no tag."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lateral.rag.citing.links import LinkCutter, cut_links
from lateral.rag.citing.verbatim import find_verbatim
from lateral.rag.inert import InertText
from markdown_it import MarkdownIt

EVIL = "http://evil.example/x?q=1"
RENDERERS = [MarkdownIt("commonmark", {"html": True}), MarkdownIt("js-default", {"html": True})]
ALIVE = re.compile(r"<(?:a|img|script|svg|iframe|style|base|meta|form)\b|<!|<\?", re.IGNORECASE)
CODE = re.compile(r"<code[^>]*>.*?</code>", re.DOTALL)


def alive(text):
    """Returns what of a text comes alive when it is rendered, bare addresses outside of code included.

    A scheme is ASCII and begins with a letter (RFC 3986, section 3.1): "0://0" is no address.
    """
    pages = [it.render(text) for it in RENDERERS]
    found = [match[0] for page in pages for match in ALIVE.finditer(page)]
    return found + [
        match
        for page in pages
        for match in re.findall(r"[A-Za-z][A-Za-z0-9+.-]*://\w+|(?<![A-Za-z0-9_])www\.\w+", CODE.sub("", page))
    ]


def in_pieces(text, sizes):
    cutter = LinkCutter()
    done, position = [], 0
    for size in [*sizes, len(text) + 1]:
        done.append(cutter.feed(text[position : position + size]))
        position += size
    return "".join([*done, cutter.finish()])


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Brewed hot [1][2]; see [1, 3].", "Brewed hot [1][2]; see [1, 3]."),
        (f"[text]({EVIL})", "text"),
        (f'[text]( <{EVIL}> "a title" )', "text"),
        (f"[a [b] c]({EVIL}(y)z)", "a [b] c"),
        (f"![alt]({EVIL})", "alt"),
        (f"[![alt](i.png)]({EVIL}) on", "alt on"),
        (f"tea [1]({EVIL}).", "tea [1]."),
        (f"tea [1, 2]({EVIL}).", "tea [1, 2]."),
        (f"[text][ref]\n\n[ref]: {EVIL} 'title'\n", "[text][ref]\n\n"),
        (f"[1]: {EVIL}", ""),
        ("[1]: handbook.pdf, page 3", "[1] : handbook.pdf, page 3"),
        (f"> [r]: {EVIL}", f"> [r] : ``{EVIL}``"),
        (f'<a href="{EVIL}">text</a>', "text"),
        (f"a<img src={EVIL}>b", "ab"),
        ("a<br>b<br/>c", "a b c"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("a <!-- hidden --> b", "a  b"),
        (f"<{EVIL}>", f"``{EVIL}``"),
        ("<me@evil.example>", "``me@evil.example``"),
        (f"See {EVIL}.", f"See ``{EVIL}``."),
        (f"`{EVIL}`", f"``{EVIL}``"),
        ("(www.evil.example)", "(``www.evil.example``)"),
        ("//evil.example/x", "``//evil.example/x``"),
        ("javascript:alert(1)", "``javascript:alert(1``)"),
        ("これは[1]です。https://例え.jp/x。はい", "これは[1]です。``https://例え.jp/x``。はい"),
        ("handlers[name](event)", "handlers[name] (event)"),
        ("List<String> if a < b <c", "List< String> if a < b < c"),
        ("<<b>img src=x>", "< img src=x>"),
        ("htt<b>ps://evil.example", "``https://evil.example``"),
        (f"[a]({EVIL}", f"[a] (``{EVIL}``"),
        ("\x1b]8;;http://evil.example\x07text\x1b]8;;\x07", " ]8;;``http://evil.example`` text ]8;; "),
        ("```python\nx = f[i](y) < z  # http://a.b\n```\n", "```python\nx = f[i](y) < z  # http://a.b\n```\n"),
        ("```mermaid\nclick A href\n```", "```\nclick A href\n```"),
        (f"~~~\n<b>\n~~~\n<img src={EVIL}>", "~~~\n<b>\n~~~\n"),
        ("  ```\n<b>x\n  ```\n```\n<b>y\n```", "  ```\nx\n  ```\n```\ny\n```"),
        ("README.md and example.org", "README.md and example.org"),
        ("", ""),
    ],
)
def test_links_become_their_words_and_addresses_code(text, cut):
    assert cut_links(text) == cut
    assert in_pieces(text, [1] * len(text)) == cut


SYMBOLS = (
    "[ ] ( ) ! < > ` `` ``` ```` ~~~ \n \n\n \t - > 1. a é 文 \\ \" ' | : / * ** _ # = --- & &lt; &#58; &amp; @ "
    "\r \x0c [1] 【1】 [a] [a]: [1]: [^1]: [a][b] EVIL https://evil.example www.evil.example //evil.example https: :// "
    "](  ]: me@evil.example javascript:alert(1) <me@evil.example> <!-- --> <? <![CDATA[ <b> <br> </a> <svg "
    "<EVIL> [a](EVIL) ![a](EVIL) <a\thref='EVIL'> <img\tsrc=x> <script> [r]:\tEVIL\n \t\t -\t >\t |a|\n|-|\n "
    "```\n ```html\n ~~~\n"
)
FRAGMENTS = st.sampled_from([it.replace("EVIL", EVIL) for it in SYMBOLS.split(" ")])
HOSTILE = st.lists(st.one_of(FRAGMENTS, FRAGMENTS, FRAGMENTS, st.just(" "), st.text(max_size=3)), max_size=14).map(
    "".join
)


@settings(max_examples=1_500, deadline=None)
@given(HOSTILE, st.lists(st.integers(1, 6), max_size=30))
def test_whatever_a_model_says_nothing_comes_alive_and_pieces_make_no_difference(text, sizes):
    cut = cut_links(text)
    assert alive(cut) == []
    assert in_pieces(text, sizes) == cut


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_what_escapes_the_cutter_is_inert_by_itself(text):
    inert = InertText()
    out = inert.feed(text.replace("\r", " ").replace("\x0c", " ")) + inert.finish()
    assert alive(re.sub("[\x00-\x08\x0b-\x1f]", "", out)) == []


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab cd.,;!?'\n12345€é文“”", max_size=60))
def test_plain_text_stays_as_it_is(text):
    assert cut_links(text) == text


@given(st.integers(1, 4), st.sampled_from(["[1]", "[12]", "[1, 3]", "[1-3]", "[1][2]", "【1】"]))
def test_a_marker_is_never_torn(size, marker):
    text = f"Green tea is brewed hot {marker}. So is black tea {marker}"
    cutter = LinkCutter()
    pieces = [cutter.feed(text[at : at + size]) for at in range(0, len(text), size)] + [cutter.finish()]
    assert "".join(pieces) == text
    for piece in pieces:
        assert piece.count("[") == piece.count("]")
        assert piece.count("【") == piece.count("】")


def test_words_are_not_held_back_longer_than_a_word():
    cutter = LinkCutter()
    assert cutter.feed("Green tea is bre") == "Green tea is "
    assert cutter.feed("wed [") == "brewed "
    assert cutter.feed("1") == ""
    assert cutter.feed("] hot") == "[1] "
    assert cutter.finish() == "hot"


def test_a_bracket_that_never_closes_is_let_go():
    cutter = LinkCutter()
    text = "[" + "word " * 200
    assert len(cutter.feed(text)) > 900
    assert cutter.feed("<b" + " word" * 1_000) != ""


def test_a_quote_with_an_address_is_still_found_in_its_passage():
    passage = "The portal is https://intranet.example.org/leave, open to all."
    quote = cut_links("The portal is https://intranet.example.org/leave, open to all")
    assert find_verbatim(quote, passage) is not None


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", ["[", "![", "<a ", "[a](", "`", "a.", "<", "http://", "[a]:", "x@", "```\n"])
def test_hostile_repetition_takes_linear_time(unit):
    assert alive(cut_links(unit * (20_000 // len(unit)))) == []  # the test's timeout is the bound

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lateral.loaders.html import (
    MAX_CANDIDATES,
    MAX_DEPTH,
    META_BYTES,
    MIN_MAIN_CHARS,
    _flattened,
    read_html,
)

LONG = "Feed an adult one rat a week, thawed and warmed, and leave it alone for two days after it has eaten. " * 3


def text_of(html):
    raw = html if isinstance(html, bytes) else html.encode()
    return "".join(section.text for section in read_html(raw, "/a.html").sections)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("One<br>two", "One\ntwo"),
        ("  a \n b<b> c</b>d&nbsp;e ", "a b cd e"),
        ("<div>a<div>b</div>c</div>", "a\n\nb\n\nc"),
        ("<ul><li>a</li><li><p>b</p></li><li></li></ul>z", "- a\n- b\n\nz"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "- a\n- b\n- c"),
        ("<table><tr><th>a<th>b<tr><td><p>1</p><td><p>2</p></table>z", "a | b\n1 | 2\n\nz"),
        ("<pre>\ndef f():\n    return 1\n\n# end</pre>z", "def f():\n    return 1\n\n# end\n\nz"),
        ("<dl><dt>a<dd>b</dl>", "a\nb"),
        ("exam&shy;ple &lt;b&gt;", "example <b>"),
        ("a<!-- no -->b<script>no</script><style>no</style>", "ab"),
        ("", ""),
    ],
)
def test_text_comes_block_by_block(html, expected):
    assert text_of(html) == expected


@pytest.mark.parametrize(
    "junk",
    [
        "<nav>junk</nav>",
        "<header>junk</header>",
        "<footer>junk</footer>",
        "<aside>junk</aside>",
        "<form>junk</form>",
        "<button>junk</button>",
        "<iframe>junk</iframe>",
        "<noscript>junk</noscript>",
        "<template>junk</template>",
        "<svg><text>junk</text></svg>",
        "<p hidden>junk</p>",
        '<p aria-hidden="true">junk</p>',
        '<div role="navigation">junk</div>',
        '<div role="banner">junk</div>',
        '<div role="contentinfo">junk</div>',
        '<div role="search">junk</div>',
    ],
)
def test_what_is_not_text_is_left_out(junk):
    assert text_of(f"<p>before</p>{junk}<p>after</p>") == "before\n\nafter"


def test_the_header_of_an_article_is_text():
    assert text_of("<article><header>By Ann</header>x</article>") == "By Ann\n\nx"


def test_a_page_inside_a_form_is_read_all_the_same():
    assert text_of("<form><p>All in one form</p><script>no</script></form>") == "All in one form"


@pytest.mark.parametrize("tag", ["main", "article", "div role=main"])
def test_the_main_part_is_preferred(tag):
    assert text_of(f"<p>teaser</p><{tag}>{LONG}</{tag.split()[0]}><p>teaser</p>") == LONG.strip()


def test_a_small_article_is_not_preferred():
    html = "".join(f"<article>{number} {LONG}</article>" for number in range(5))
    assert text_of(html).count("Feed an adult") == 15


def test_headings_make_sections_with_paths():
    html = f"<title> A &amp; B </title><h1>Big <b>one</b></h1><p>{LONG}</p><h2>Sub</h2><p>{LONG}</p>"
    document = read_html(html.encode(), "/a.html")
    assert [section.metadata for section in document.sections] == [
        {"header_path": "Big one"},
        {"header_path": "Big one > Sub"},
    ]
    assert document.metadata == {"title": "A & B"}
    whole = f"Big one\n\n{LONG.strip()}\n\nSub\n\n{LONG.strip()}"
    assert [whole[s.start_char : s.start_char + len(s.text)] for s in document.sections] == [
        section.text for section in document.sections
    ]
    assert document.sections[1].text.startswith("Sub")


def test_the_first_heading_is_the_title_of_a_page_without_one():
    assert read_html(b"<h1>Only <i>this</i></h1>x", "/a.html").metadata == {"title": "Only this"}


@pytest.mark.parametrize(
    ("raw", "warned"),
    [
        ("<meta charset=utf-8><p>naïve €".encode(), False),
        ("<p>naïve €".encode(), False),
        ("<p>naïve €".encode("utf-16"), False),
        (b"\xef\xbb\xbf<meta charset=latin1><p>" + "naïve €".encode(), False),
        ("<meta charset='iso-8859-1'><p>naïve €".encode("cp1252"), False),
        (
            '<meta http-equiv="Content-Type" content="text/html; charset=windows-1252"><p>naïve €'.encode("cp1252"),
            False,
        ),
        ("<meta charset=euc_kr><p>naïve €".encode(), True),
        ("<meta charset=nonsense><p>naïve €".encode(), True),
        *((f"<meta charset={name}><p>naïve €".encode(), True) for name in ("utf-16", "UTF-16LE", "utf-16be", "utf-32")),
        # One space more: an even and an odd number of bytes decode, or don't, as UTF-16.
        *((f"<meta charset={name} ><p>naïve €".encode(), True) for name in ("utf-16", "UTF-16LE", "utf-16be")),
    ],
)
def test_encodings(raw, warned):
    document = read_html(raw, "/a.html")
    assert document.sections[0].text == "naïve €"
    assert bool(document.warnings) is warned


@pytest.mark.parametrize("tag", ["div", "b", "span", "ul><li", "table><tr><td", "font", "blockquote", "a"])
def test_deep_nesting_overflows_no_stack_and_is_fast(tag):
    begun = time.perf_counter()
    assert text_of(f"<{tag}>" * 100_000 + "deep").endswith("deep")
    assert time.perf_counter() - begun < 15


def test_closed_deep_nesting_keeps_what_follows():
    html = "<div>" * 5_000 + "deep" + "</div>" * 5_000 + "<h1>After</h1>"
    assert text_of(html).split() == ["deep", "After"]


@pytest.mark.parametrize(
    "opaque",
    [
        "<script>{}</script>",
        "<SCRIPT type=x>{}</Script >",
        "<style>{}</style>",
        "<textarea>{}</textarea>",
        "<!--{}-->",
        '<a title="{}"></a>',
        "<a title='{}'></a>",
    ],
)
def test_what_only_looks_like_tags_is_no_depth(opaque):
    page = f"<h1>Head</h1>{opaque.format('for(i<n;i++)<div>' * 3 * MAX_DEPTH)}<h2>{LONG}</h2><p>after</p>"
    assert _flattened(page) == page
    assert text_of(page) == f"Head\n\n{LONG.strip()}\n\nafter"


def test_a_title_full_of_tags_hides_nothing_else():
    page = f"<title>{'<b>' * 3 * MAX_DEPTH}</title><p>{LONG}</p>"
    assert text_of(page) == LONG.strip()


@pytest.mark.parametrize("comment", ["<!-->", "<!--->", "<!---->", "<!-- x --!>"])
def test_short_comments_end_where_browsers_end_them(comment):
    flat = _flattened(comment + "<div>" * (MAX_DEPTH + 1))
    assert flat == comment + "<div>" * MAX_DEPTH + " "


def test_tags_below_the_greatest_depth_go_and_no_others():
    page = "<div>" * MAX_DEPTH + "<i>deep</i>" + "</div>" * MAX_DEPTH + "<p>after</p>"
    assert _flattened(page) == "<div>" * MAX_DEPTH + " deep " + "</div>" * MAX_DEPTH + "<p>after</p>"


@pytest.mark.parametrize(
    "unit", ["<", "<a", "<a ", "<a =", '<a ="', "<a =\"'", "<!--", "<script>", "<script ", "</b", "<!"]
)
def test_flattening_takes_linear_time(unit):
    begun = time.perf_counter()
    _flattened(unit * 100_000)
    assert time.perf_counter() - begun < 5


def test_an_encoding_is_looked_for_at_the_beginning_only():
    tag = b"<meta charset=koi8-r>"
    page = "naïve €".encode()
    assert text_of(b" " * (META_BYTES - len(tag)) + tag + page) == "naïve €".encode().decode("koi8-r")
    assert text_of(b" " * META_BYTES + tag + page) == "naïve €"


@pytest.mark.parametrize(("chars", "chosen"), [(MIN_MAIN_CHARS, True), (MIN_MAIN_CHARS - 1, False)])
def test_a_main_part_of_few_characters_is_not_preferred(chars, chosen):
    assert text_of(f"<p>teaser</p><main>{'x' * chars}</main>").startswith("teaser") is not chosen


@pytest.mark.parametrize(("chars", "chosen"), [(400, True), (399, False)])
def test_a_main_part_of_a_small_share_is_not_preferred(chars, chosen):
    # Around it stand 598 characters and two newlines: 400 of 1,000 are the share that is asked for.
    assert text_of(f"<p>{'y' * 598}</p><main>{'x' * chars}</main>").startswith("y") is not chosen


def test_many_articles_are_not_all_tried():
    page = "<article>a</article>" * MAX_CANDIDATES + f"<article>{LONG}</article>"
    assert text_of(page).startswith("a\n\na")
    assert text_of(page.removeprefix("<article>a</article>")) == LONG.strip()


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab <>/=\"'&;!-pdivh1ul"), max_size=200))
def test_any_text_is_read(html):
    document = read_html(html.encode(), "/a.html")
    assert all(section.text.strip() for section in document.sections) or document.sections == ()

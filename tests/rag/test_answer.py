import json
import re

import numpy as np
import pytest
from lateral.rag.answer import Answer, citation_as_dict, hit_as_dict
from lateral.rag.citing.citations import Citation
from lateral.retrievers.hit import Hit, TrailStep
from markdown_it import MarkdownIt


def make_answer(make_hit, **changes):
    fields = {"question": "How much?", "text": "Add 8 drops [1].", "citations": (), "hits": (), "passages": ()}
    return Answer(**(fields | changes))


def test_an_empty_answer_has_every_key(make_hit):
    assert make_answer(make_hit).as_dict() == {
        "answer": "Add 8 drops [1].",
        "citations": [],
        "hits": [],
        "degraded": [],
    }


def test_the_dict_holds_citations_hits_and_notes(make_hit):
    node = make_hit("8 drops", 4, source="/docs/a.pdf", page=2).node
    hit = Hit(node, np.float32(0.5), (TrailStep("bm25", 1, 7.25), TrailStep("rrf", 2, np.float32(0.5))))
    citation = Citation(1, node.document_id, node.source, 2, "8 drops", ((1.0, 2.0, 3.0, 4.0),), True)
    answer = make_answer(make_hit, citations=(citation,), hits=(hit,), degraded=("no reranker",))
    place = {"document_id": node.document_id, "source": "/docs/a.pdf", "page": 2}
    trail = [{"stage": "bm25", "rank": 1, "score": 7.25}, {"stage": "rrf", "rank": 2, "score": 0.5}]
    expected = {
        "answer": "Add 8 drops [1].",
        "citations": [{"n": 1, **place, "quote": "8 drops", "boxes": [[1.0, 2.0, 3.0, 4.0]], "supported": True}],
        "hits": [{"id": node.id, **place, "score": 0.5, "text": "8 drops", "trail": trail}],
        "degraded": ["no reranker"],
    }
    assert json.loads(json.dumps(answer.as_dict())) == expected
    assert list(answer.as_dict()) == ["answer", "citations", "hits", "degraded"]


def test_the_parts_keep_their_order_of_keys(make_hit):
    assert list(citation_as_dict(Citation(9, None, None, None, ""))) == [
        *("n", "document_id", "source", "page", "quote", "boxes", "supported")
    ]
    assert list(hit_as_dict(make_hit("x"))) == ["id", "document_id", "source", "page", "score", "text", "trail"]


def test_a_notebook_shows_the_answer_and_its_sources(make_hit):
    citations = (
        Citation(1, "d", "/docs/handbook.pdf", 3, "Add 8\n drops", (), True),
        Citation(1, "d", "/docs/handbook.pdf", 3, "Add 8\n drops", (), True),
        Citation(2, "e", "notes", None, "", (), False),
        Citation(7, None, None, None, "", (), False),
    )
    shown = make_answer(make_hit, citations=citations, degraded=("no reranker",))._repr_markdown_()
    assert shown == (
        "Add 8 drops [1].\n\n- ✓ [1] handbook.pdf, page 3: “Add 8 drops”\n- ✗ [2] notes\n- ✗ [7] no such passage\n\n"
        "**Degraded**\n\n- no reranker"
    )


def render(answer):
    """As a notebook would, without its own safeguards."""
    return MarkdownIt("js-default", {"html": True}).render(answer._repr_markdown_())


def test_documents_can_not_smuggle_markup_into_a_notebook(make_hit):
    quote = "![x](http://evil.example/p.png) <script>"
    citation = Citation(1, "d", "/docs/a_b*.md", None, quote, (), True)
    html = render(make_answer(make_hit, text=f"See {quote} `a < b`.", citations=(citation,)))
    assert html.count("![x](http://evil.example/p.png) &lt;script&gt;") == 2
    assert "<code>a &lt; b</code>" in html
    assert "a_b*.md" in html


HOSTILE = [
    "![x](http://evil.example/x.png)",
    r"\![x](http://evil.example/x.png)",
    r"\\![x](http://evil.example/x.png)",
    "[x](http://evil.example)",
    r"\[x](http://evil.example)",
    r"![x\](http://evil.example)",
    "[x][1] ![y][1]\n\n[1]: http://evil.example",
    r"[x]" + "\n\n" + r"[x\]: http://evil.example" + "\n\n[x]: http://evil.example",
    "<img src=x onerror=alert(1)>",
    r"\<img src=x>",
    r"\\<script>alert(1)</script>",
    "</p>\n<script>alert(1)</script>",
    "<!-- <?php <![CDATA[ <!DOCTYPE",
    "<http://evil.example/> <someone@evil.example>",
    "[![x](http://evil.example/x.png)](http://evil.example)",
    "```\n<script>\n```\n<script>alert(1)</script>",
    "&lt;script&gt;",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_tag_link_or_image_of_a_document_is_rendered(make_hit, hostile):
    citation = Citation(1, "d", f"/docs/{hostile}", None, hostile, (), True)
    html = render(make_answer(make_hit, text=f"See “{hostile}” [1].", citations=(citation,), degraded=(hostile,)))
    found = set(re.findall(r"<[^\s>]+", html))
    assert found <= {
        f"<{slash}{tag}" for tag in ("p", "ul", "li", "strong", "code", "pre", "br") for slash in ("", "/")
    }


@pytest.mark.parametrize(
    "address", ["http://evil.example", "HTTPS://evil.example", "www.evil.example", "a@evil.example"]
)
def test_bare_addresses_are_shown_and_not_left_for_a_renderer_that_links_them(make_hit, address):
    citation = Citation(1, "d", "/docs/a.md", None, address, (), True)
    answer = make_answer(make_hit, text=f"See {address} [1].", citations=(citation,))
    assert address not in answer._repr_markdown_()
    assert render(answer).count(address) == 2


def test_the_answers_own_emphasis_and_markers_stay(make_hit):
    html = render(make_answer(make_hit, text="Add **8 drops** [1][2]: no more!"))
    assert html == "<p>Add <strong>8 drops</strong> [1][2]: no more!</p>\n"

import json

import numpy as np
from lateral.rag.answer import Answer, citation_as_dict, hit_as_dict
from lateral.rag.citations import Citation
from lateral.retrievers.hit import Hit, TrailStep


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


def test_documents_can_not_smuggle_markup_into_a_notebook(make_hit):
    quote = "![x](http://evil.example/p.png) <script>"
    citation = Citation(1, "d", "/docs/a_b*.md", None, quote, (), True)
    shown = make_answer(make_hit, text=f"See {quote} `a < b`.", citations=(citation,))._repr_markdown_()
    assert shown.count("![") == shown.count(r"\![") == 1  # an escaped mark makes a link, which loads nothing
    assert shown.count("<script") == shown.count(r"\<script") == 1
    assert "`a < b`" in shown
    assert r"a\_b\*.md" in shown

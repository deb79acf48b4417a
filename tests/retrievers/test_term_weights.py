"""BM25's explanation against bm25s's own scores and the formula."""

import math

import bm25s
import pytest
from builders import make_document, put
from lateral.errors import IndexConfigError, InvalidArgumentError
from lateral.retrievers.analysis import analyzer
from lateral.retrievers.bm25 import K1, B, BM25Retriever
from lateral.retrievers.explanation import Explaining
from lateral.retrievers.store import Index

TEXTS = {
    "flood": "Testing a flooded well: wait a week. Floods reach wells, and a flooded well needs a test.",
    "pump": "The hand pump stands beside the well.",
    "bread": "Bread dough rises in a warm kitchen.",
    "marks": "!!! ???",
}
QUERIES = ["flooded wells", "well well WELLS", "the testing of a hand pump", "bread zyzzyva well", "flood " * 50]


@pytest.fixture
def index(tmp_path):
    index = Index(tmp_path / "index")
    with index.write() as writer:
        put(writer, [make_document(source, text) for source, text in TEXTS.items()])
    return index


@pytest.fixture
def nodes(index):
    with index.read() as snapshot:
        return {node.source: node for node in snapshot.chunks()}


def attached(index, language="english"):
    retriever = BM25Retriever(language)
    retriever.attach(index)
    return retriever


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("published", [False, True])
def test_the_total_is_the_score_of_the_search_and_of_bm25s_to_the_last_bit(index, nodes, query, published):
    retriever = attached(index)
    if published:
        with index.write() as writer:
            retriever.refresh(writer)
        retriever = attached(Index(index.folder))
    terms = analyzer("english")
    peer = bm25s.BM25(k1=K1, b=B, method="lucene")
    peer.index([terms(text) for text in TEXTS.values()], show_progress=False)
    known = peer.get_tokens_ids(terms(query))
    scores = dict(zip(TEXTS, peer.get_scores_from_ids(known), strict=True))
    found = {hit.node.source: hit.score for hit in retriever.retrieve(query, 10)}
    for source, node in nodes.items():
        explained = retriever.explain(query, node)
        assert explained.total == scores[source] == found.get(source, 0.0)
        assert sum(part.similarity for part in explained.parts) == pytest.approx(explained.total, rel=1e-5)
        assert sum(part.share for part in explained.parts) == pytest.approx(1 if explained.total else 0, rel=1e-5)


def test_a_weight_is_the_formula_of_the_paper(index, nodes):
    """Lucene's BM25 by hand: "pump" is in one of 4 chunks, once among its 7 words."""
    (part,) = attached(index, "none").explain("pump", nodes["pump"]).parts
    counts = {source: len(analyzer("none")(text)) for source, text in TEXTS.items()}
    assert counts == {"flood": 13, "pump": 7, "bread": 6, "marks": 0}
    average = (13 + 7 + 6 + 0) / 4
    idf = math.log(1 + (4 - 1 + 0.5) / (1 + 0.5))
    assert part.similarity == pytest.approx(idf / (1 + K1 * (1 - B + B * 7 / average)), rel=1e-5)


def test_words_meet_in_their_stem_and_are_shown_as_they_are_written(index, nodes):
    explained = attached(index).explain("Is a FLOODED well tested, and how? Wells!", nodes["flood"])
    assert [(part.query_part, part.term, part.node_part) for part in explained.parts] == [
        ("FLOODED", "flood", "flooded, Floods"),
        ("well, Wells", "well", "well, wells"),
        ("tested", "test", "Testing, test"),
        ("how", "", ""),
    ]
    flood = explained.parts[0]
    assert [explained.text[start:end] for start, end in flood.spans] == ["flooded", "Floods", "flooded"]
    assert (explained.method, explained.query, explained.rest) == (
        "bm25",
        "Is a FLOODED well tested, and how? Wells!",
        0.0,
    )
    missing = explained.parts[-1]
    assert (missing.similarity, missing.share, missing.spans) == (0, 0, ())


def test_a_word_of_the_context_line_is_found_there(tmp_path):
    index = Index(tmp_path / "index")
    with index.write() as writer:
        put(writer, [make_document("a", "Wait for a week.", title="Wells after a flood")])
    (hit,) = attached(index).retrieve("flood", 5)
    explained = attached(index).explain("flood", hit.node)
    assert explained.text == "Wells after a flood\nWait for a week."
    assert [explained.text[start:end] for start, end in explained.parts[0].spans] == ["flood"]
    assert explained.total == hit.score


@pytest.mark.parametrize("query", ["", "  ", "?!…", "the of a", "\0"])
def test_a_query_without_a_word_has_no_parts(index, nodes, query):
    explained = attached(index).explain(query, nodes["flood"])
    assert (explained.parts, explained.total, explained.text) == ((), 0.0, TEXTS["flood"])


def test_a_chunk_and_an_index_without_words_have_parts_of_no_weight(index, nodes, tmp_path):
    (part,) = attached(index).explain("wells", nodes["marks"]).parts
    assert (part.node_part, part.similarity, part.share) == ("", 0, 0)
    bare = Index(tmp_path / "bare")
    with bare.write() as writer:
        put(writer, [make_document("marks", "!!!")])
    with bare.read() as snapshot:
        (node,) = snapshot.chunks()
    assert attached(bare).explain("wells", node).total == 0


def test_a_node_of_another_index_is_refused(index, nodes):
    _, (other,) = make_document("elsewhere", "A well elsewhere.")
    with pytest.raises(InvalidArgumentError, match=f"has no chunk with the id '{other.id}'"):
        attached(index).explain("well", other)


def test_without_an_index_it_says_what_to_do(nodes):
    with pytest.raises(IndexConfigError, match="hand it to RAG"):
        BM25Retriever().explain("well", nodes["flood"])


def test_it_is_a_retriever_that_explains():
    assert isinstance(BM25Retriever(), Explaining)

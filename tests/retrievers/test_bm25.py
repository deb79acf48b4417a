import math
import shutil

import pytest
from builders import make_document, put
from lateral.errors import IndexConfigError, InvalidArgumentError
from lateral.retrievers.bm25 import K1, B, BM25Retriever
from lateral.retrievers.store import Index

TEXTS = {
    "snake": "the ball python is a snake that eats mice",
    "code": "python code runs in the python interpreter",
    "bread": "bread dough rises in a warm kitchen",
}


@pytest.fixture
def index(tmp_path):
    index = Index(tmp_path / "index")
    with index.write() as writer:
        put(writer, [make_document(source, text, shelf=at) for at, (source, text) in enumerate(TEXTS.items())])
    return index


def attached(index, language="none"):
    retriever = BM25Retriever(language)
    retriever.attach(index)
    return retriever


def refresh(index, retriever):
    with index.write() as writer:
        retriever.refresh(writer)


def sources(hits):
    return [hit.node.source for hit in hits]


def test_scores_are_the_formula_of_the_paper(index):
    """Lucene's BM25 by hand: 3 chunks of 8, 7 and 6 words ("a" is too short to be one); "python" is in two of them."""
    lengths = {"snake": 8, "code": 7}
    average = (8 + 7 + 6) / 3
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))

    def score(frequency, length):
        return idf * frequency / (frequency + K1 * (1 - B + B * length / average))

    hits = attached(index).retrieve("python", 10)
    assert sources(hits) == ["code", "snake"]
    assert hits[0].score == pytest.approx(score(2, lengths["code"]), rel=1e-5)
    assert hits[1].score == pytest.approx(score(1, lengths["snake"]), rel=1e-5)
    assert [tuple(step)[:2] for step in hits[1].trail] == [("bm25", 2)]


def test_a_published_index_gives_what_an_unpublished_one_gives(index):
    before = attached(index).retrieve("python in a warm kitchen", 10)
    refresh(index, attached(index))
    fresh = Index(index.folder)
    with fresh.read() as snapshot:
        assert snapshot.derived("bm25") is not None
    after = attached(fresh).retrieve("python in a warm kitchen", 10)
    assert [(hit.node.id, hit.score) for hit in after] == [(hit.node.id, hit.score) for hit in before]


def test_words_added_after_publishing_are_found(index):
    refresh(index, attached(index))
    with index.write() as writer:
        put(writer, [make_document("cheese", "cheddar ripens in a cave")])
    assert sources(attached(index).retrieve("cheddar", 3)) == ["cheese"]


def test_a_removed_document_is_not_found_even_before_the_next_refresh(index):
    refresh(index, attached(index))
    retriever = attached(index)
    assert "bread" in sources(retriever.retrieve("bread", 3))
    with index.write() as writer:
        writer.remove([hit.node.document_id for hit in retriever.retrieve("bread", 3)])
    assert retriever.retrieve("bread", 3) == []


@pytest.mark.parametrize("damage", ["flip", "delete", "empty"])
def test_a_damaged_published_index_is_not_used(index, damage, caplog):
    refresh(index, attached(index))
    expected = [(hit.node.id, hit.score) for hit in attached(index).retrieve("python", 5)]
    (folder,) = (index.folder / "bm25").iterdir()
    if damage == "delete":
        shutil.rmtree(folder)
    for path in folder.glob("*"):
        path.write_bytes(b"" if damage == "empty" else bytes(byte ^ 1 for byte in path.read_bytes()))
    hits = attached(Index(index.folder)).retrieve("python", 5)
    assert [(hit.node.id, hit.score) for hit in hits] == expected
    assert "is damaged and not used" in caplog.text


def test_the_filter_comes_before_top_k(index):
    hits = attached(index).retrieve("python", 1, {"shelf": {"$eq": 0}})
    assert sources(hits) == ["snake"], "the better hit is filtered out, so the next one takes the only place"


def test_english_words_meet_in_their_stem(index):
    assert sources(attached(index, "english").retrieve("doughs rising", 5)) == ["bread"]
    assert attached(index, "none").retrieve("doughs rising", 5) == []


@pytest.mark.parametrize("query", ["", "   ", "the in a", "zyzzyva", "?!…", "\0", "🐍", "python'; DROP TABLE nodes--"])
def test_odd_queries_never_fail(index, query):
    hits = attached(index, "english").retrieve(query, 5)
    assert sources(hits) == (["code", "snake"] if "python" in query else [])


def test_a_query_of_a_million_characters_is_answered(index):
    assert sources(attached(index).retrieve("python " * 150_000, 5)) == ["code", "snake"]


@pytest.mark.parametrize("top_k", [0, -1, True, 2.0, "5"])
def test_a_wrong_top_k_is_refused(index, top_k):
    with pytest.raises(InvalidArgumentError, match="top_k must be a whole number of at least 1"):
        attached(index).retrieve("python", top_k)


def test_top_k_above_the_corpus_gives_every_match(index):
    assert len(attached(index).retrieve("python in a warm snake", 10**9)) == 3


def test_an_index_without_words_has_no_hits(tmp_path):
    index = Index(tmp_path / "index")
    with index.write() as writer:
        put(writer, [make_document("marks", "!!! ???")])
    retriever = attached(index)
    refresh(index, retriever)
    assert attached(Index(index.folder)).retrieve("python", 5) == []


def test_an_unknown_language_names_the_known_ones():
    with pytest.raises(InvalidArgumentError, match=r"arabic.*none, got 'klingon'"):
        BM25Retriever("klingon")


def test_without_an_index_it_says_what_to_do():
    with pytest.raises(IndexConfigError, match="hand it to RAG"):
        BM25Retriever().retrieve("python", 5)


def test_ties_are_ordered_by_node_id(tmp_path):
    index = Index(tmp_path / "index")
    with index.write() as writer:
        put(writer, [make_document(f"doc-{number}", "equal words") for number in range(20)])
    hits = attached(index).retrieve("equal", 7)
    assert len({hit.score for hit in hits}) == 1
    with index.read() as snapshot:
        assert [hit.node.id for hit in hits] == [raw.decode() for raw in snapshot.chunk_ids()[:7]]

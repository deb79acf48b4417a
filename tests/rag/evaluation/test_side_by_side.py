import json

import pytest
from builders import make_document
from judged_corpora import DOCUMENTS, write_beir
from lateral.rag.evaluation import read_beir
from lateral.rag.evaluation.contender import Contender, contenders
from lateral.rag.evaluation.queries_ahead import AskedTwoWays
from lateral.rag.evaluation.side_by_side import search_side_by_side, untimed_texts
from lateral.retrievers.canned import CannedRetriever
from lateral.retrievers.hit import Hit
from lateral.retrievers.hybrid import HybridRetriever
from lateral.retrievers.score_scale import ScoreScale


@pytest.fixture
def corpus(tmp_path):
    return read_beir(write_beir(tmp_path / "tiny"))


class Named(CannedRetriever):
    """Prepared hits under a retriever's name, with scores that mean what cosines do."""

    score_scale = ScoreScale(0.0, 1.0)

    def __init__(self, name, scores):
        super().__init__([Hit(make_document(source, DOCUMENTS[source])[1][0], score) for source, score in scores])
        self.name = name


def test_short_lists_are_fused_as_a_hybrid_fuses_them(corpus):
    both = [Named("a", [("tea", 0.9), ("bread", 0.8)]), Named("b", [("honey", 0.85)])]
    running = contenders(["a", "b"])
    found = search_side_by_side(AskedTwoWays(both, both), running, corpus, top_k=3)
    expected = [hit.node.source for hit in HybridRetriever(both).retrieve("any", 3)]
    assert expected == ["tea", "honey", "bread"]
    assert found[running[2]].rankings["q-tea"] == expected


def test_a_text_is_asked_once_and_judged_for_every_query_that_has_it(tmp_path):
    queries = [json.dumps({"_id": name, "text": text}) for name, text in {"q1": "tea", "q2": " ", "q3": "tea"}.items()]
    corpus = read_beir(write_beir(tmp_path, queries=queries, qrels=["q1\ttea\t1", "q2\ttea\t1", "q3\tbread\t1"]))
    alone, ahead, told = Named("a", [("tea", 0.9), ("bread", 0.8)]), Named("a", []), []
    one = Contender(("a",))
    ways = AskedTwoWays([alone], [ahead], "some words")
    found = search_side_by_side(ways, [one], corpus, top_k=3, on_query=lambda *at: told.append(at))[one]
    assert [query for query, *_ in alone.calls] == ["some words", "tea"]
    assert [query for query, *_ in ahead.calls] == [" "]
    assert found.rankings == {"q1": ["tea", "bread"], "q2": [], "q3": ["tea", "bread"]}
    assert list(found.milliseconds) == ["q1"]
    assert told == [(2, 3), (3, 3)]
    assert untimed_texts(corpus) == []

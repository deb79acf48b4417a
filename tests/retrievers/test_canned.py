"""The canned retriever keeps the rules of real ones."""

import pytest
from lateral.errors import FilterError, InvalidArgumentError
from lateral.loaders.node import Node
from lateral.retrievers.canned import CannedRetriever
from lateral.retrievers.hit import Hit, TrailStep
from lateral.retrievers.retriever import Retriever


def hit(identifier, score, page=1):
    return Hit(Node(identifier, "d", "memory", page, "chunk", identifier, 0, 1), score)


def test_hits_come_ranked_and_cut_whatever_their_order():
    canned = CannedRetriever([hit("b", 1.0), hit("c", 2.0), hit("a", 1.0)])
    assert isinstance(canned, Retriever)
    found = canned.retrieve("q", 2)
    assert [one.node.id for one in found] == ["c", "a"]
    assert found[1].trail == (TrailStep("canned", 2, 1.0),)


def test_mapping_answers_each_query_with_its_own_hits():
    canned = CannedRetriever({"q": [hit("a", 1.0)]}, stage="other")
    assert canned.retrieve("q", 9)[0].trail[0].stage == "other"
    assert canned.retrieve("unknown", 9) == []
    assert canned.calls == [("q", 9, None), ("unknown", 9, None)]


@pytest.mark.parametrize("query", ["", " \t"])
def test_query_without_content_has_no_hits(query):
    assert CannedRetriever([hit("a", 1.0)]).retrieve(query, 1) == []


def test_filter_is_applied_before_the_cut():
    canned = CannedRetriever([hit("a", 3.0, page=1), hit("b", 2.0, page=2)])
    assert [one.node.id for one in canned.retrieve("q", 1, {"page": 2})] == ["b"]


def test_wrong_arguments_are_refused():
    canned = CannedRetriever([hit("a", 1.0), hit("a", 2.0)])
    with pytest.raises(InvalidArgumentError, match="top_k"):
        canned.retrieve("q", 0)
    with pytest.raises(FilterError, match="no operator"):
        canned.retrieve("q", 1, {"page": {}})
    with pytest.raises(InvalidArgumentError, match="one node twice"):
        canned.retrieve("q", 1)
    with pytest.raises(InvalidArgumentError, match="NaN"):
        CannedRetriever([hit("a", float("nan"))]).retrieve("q", 1)

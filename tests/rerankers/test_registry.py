"""Rerankers by name."""

import pytest
from lateral.errors import InvalidArgumentError
from lateral.rerankers import CrossEncoderReranker, open_reranker
from lateral.rerankers.registry import choose_reranker


def test_a_name_with_a_model_builds_the_reranker_and_looks_for_nothing_yet():
    found = open_reranker("cross-encoder=folder/with=sign", {"candidates": 20})
    assert isinstance(found, CrossEncoderReranker)
    assert (found.model, found.candidates) == ("folder/with=sign", 20)


@pytest.mark.parametrize(
    "name", ["magic", "", "=model", "reranker", "registry", "cross_encoder", "a.b", "cross encoder"]
)
def test_an_unknown_name_is_refused(name):
    with pytest.raises(InvalidArgumentError, match=r"there is no reranker named .*: cross-encoder=MODEL is built in"):
        open_reranker(name)


def test_a_missing_model_and_an_unknown_setting_are_refused():
    with pytest.raises(
        InvalidArgumentError, match=r"'cross-encoder' can't be built: .*name its model as in cross-encoder="
    ):
        open_reranker("cross-encoder")
    with pytest.raises(InvalidArgumentError, match=r"'cross-encoder=model' can't be built with depth: [^;]*depth'?$"):
        open_reranker("cross-encoder=model", {"depth": 3})
    with pytest.raises(InvalidArgumentError, match="candidates must be a whole number of at least 1, got 0"):
        open_reranker("cross-encoder=model", {"candidates": 0})


def test_a_pipeline_takes_a_name_an_object_or_none():
    own = CrossEncoderReranker("model")
    assert choose_reranker(own) is own
    assert choose_reranker(None) is None
    assert isinstance(choose_reranker("cross-encoder=model"), CrossEncoderReranker)
    with pytest.raises(InvalidArgumentError, match="reranker must be a name or an object with a method rerank"):
        choose_reranker(object())

"""A bi-encoder's explanation against cosines taken one by one."""

import numpy as np
import pytest
from builders import CountingEmbedder, make_document
from lateral.loaders.node import Node
from lateral.retrievers import BiEncoderRetriever, HashEmbedder
from lateral.retrievers.explanation import Explaining
from lateral.retrievers.leave_one_out import MAX_PARTS, leave_one_out

EMBEDDER = HashEmbedder(256)
SENTENCES = ["A flooded well must be tested.", "Wait a week.", "Bread rises in a warm kitchen."]
QUERY = "testing a flooded well"


def node_of(text, **metadata):
    return Node("id", "document", "a.txt", None, "chunk", text, 0, len(text), metadata)


def cosine(query, text):
    (asked,), (found,) = EMBEDDER.encode_queries([query]), EMBEDDER.encode_documents([text])
    return float(np.dot(asked, found))


def test_a_part_is_the_fall_of_the_cosine_when_its_sentence_is_left_out():
    text = " ".join(SENTENCES)
    explained = leave_one_out(EMBEDDER, QUERY, node_of(text))
    whole = cosine(QUERY, text)
    assert (explained.method, explained.text, explained.rest) == ("leave-one-out", text, 0.0)
    assert explained.total == pytest.approx(whole)
    falls = [whole - cosine(QUERY, " ".join(it for it in SENTENCES if it != left)) for left in SENTENCES]
    assert [part.node_part for part in explained.parts] == SENTENCES
    assert [part.similarity for part in explained.parts] == pytest.approx(falls, abs=1e-6)
    assert falls[0] > 0 > falls[2]
    positive = [max(fall, 0) for fall in falls]
    assert [part.share for part in explained.parts] == pytest.approx(
        [fall / sum(positive) for fall in positive], abs=1e-5
    )
    assert [explained.text[slice(*part.spans[0])] for part in explained.parts] == SENTENCES


def test_without_its_only_sentence_the_cosine_falls_to_nothing():
    (part,) = leave_one_out(EMBEDDER, QUERY, node_of(SENTENCES[0])).parts
    assert part.similarity == pytest.approx(cosine(QUERY, SENTENCES[0]))
    assert part.share == 1


def test_the_line_of_context_counts_as_a_sentence():
    explained = leave_one_out(EMBEDDER, QUERY, node_of("Wait a week.", title="Dr. No: wells. And floods"))
    assert explained.text == "Dr. No: wells. And floods\nWait a week."
    assert [part.node_part for part in explained.parts] == ["Dr. No: wells. And floods", "Wait a week."]
    assert explained.parts[1].similarity == pytest.approx(
        cosine(QUERY, explained.text) - cosine(QUERY, "Dr. No: wells. And floods")
    )


def test_the_text_is_encoded_in_one_batch_and_many_sentences_are_left_out_together():
    embedder = CountingEmbedder()
    text = " ".join(f"Row {number} is here." for number in range(1_000))
    explained = leave_one_out(embedder, "row", node_of(text))
    _, whole, *without = embedder.encoded  # the query comes first
    assert (whole, len(without)) == (text, len(explained.parts))
    assert len(without) <= MAX_PARTS
    assert [explained.text[slice(*part.spans[0])] for part in explained.parts] == [
        it.node_part for it in explained.parts
    ]
    assert " ".join(part.node_part for part in explained.parts) == text


@pytest.mark.parametrize("query", ["", " \n"])
def test_an_empty_query_has_no_parts(query):
    explained = leave_one_out(EMBEDDER, query, node_of("Wait a week."))
    assert (explained.parts, explained.total) == ((), 0.0)


@pytest.mark.parametrize("text", ["", " \n "])
def test_an_empty_node_has_no_parts(text):
    assert leave_one_out(EMBEDDER, QUERY, node_of(text)).parts == ()


def test_a_query_of_punctuation_has_parts_of_no_share():
    explained = leave_one_out(EMBEDDER, "?!", node_of(" ".join(SENTENCES)))
    assert {(part.similarity, part.share) for part in explained.parts} == {(0.0, 0.0)}


def test_the_retriever_explains_any_node_also_of_another_index():
    retriever = BiEncoderRetriever(encoder=EMBEDDER)
    assert isinstance(retriever, Explaining)
    _, (node,) = make_document("elsewhere", SENTENCES[0])
    assert retriever.explain(QUERY, node).total == pytest.approx(cosine(QUERY, SENTENCES[0]))

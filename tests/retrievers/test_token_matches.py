"""A late-interaction explanation, with an encoder whose similarities are known by hand and with real checkpoints."""

import numpy as np
import pytest
from colbert_checkpoints import minilm_checkpoint, multi_vector_checkpoint, pylate_checkpoint
from lateral.loaders.node import Node
from lateral.retrievers import ColBERTRetriever
from lateral.retrievers.explanation import Explaining, TokenPlacing
from lateral.retrievers.models.colbert import load_colbert
from lateral.retrievers.retriever import VectorSpace
from lateral.retrievers.token_matches import token_matches
from lateral.retrievers.token_pooling import PooledEncoder

TEXT = "Wait 7 to 10 days after the flooded well was disinfected, İstanbul's ball pythons say."


def node_of(text, **metadata):
    return Node("id", "document", "a.txt", None, "chunk", text, 0, len(text), metadata)


VECTORS = {"a": (1.0, 0.0), "b": (0.6, 0.8), "[MASK]": (0.6, 0.8)}


class Letters:
    """Two words, a and b, of cosine 0.6; every query ends in [MASK], which is like b."""

    max_tokens = 100
    space = VectorSpace("letters", 2, "letters")
    special_tokens = frozenset({"[MASK]"})

    def tokens(self, text, side):
        return [*text.split(), *(["[MASK]"] if side == "query" else [])]

    def count_tokens(self, texts):
        return [len(text.split()) for text in texts]

    def encode_documents(self, texts):
        return [self._matrix(self.tokens(text, "document")) for text in texts]

    def encode_queries(self, texts):
        return [self._matrix(self.tokens(text, "query")) for text in texts]

    def _matrix(self, tokens):
        return np.array([VECTORS[it] for it in tokens], np.float32).reshape(-1, 2)


def test_similarities_and_shares_are_those_of_the_hand_and_special_tokens_stand_apart():
    explained = token_matches(Letters(), "a b", node_of("b b"))
    assert [(part.query_part, part.node_part) for part in explained.parts] == [("a", "b"), ("b", "b")]
    assert [part.similarity for part in explained.parts] == pytest.approx([0.6, 1.0])
    assert explained.total == pytest.approx(0.6 + 1.0 + 1.0)
    assert [part.share for part in explained.parts] == pytest.approx([0.6 / 2.6, 1 / 2.6])
    assert explained.rest == pytest.approx(1 / 2.6)
    assert {part.spans for part in explained.parts} == {()}, "an encoder that does not know where its tokens stand"


@pytest.mark.parametrize(("query", "text"), [("", "a b"), (" \n", "a"), ("a", "")])
def test_without_a_query_or_a_token_there_are_no_parts(query, text):
    explained = token_matches(Letters(), query, node_of(text))
    assert (explained.parts, explained.total, explained.rest, explained.text) == ((), 0.0, 0.0, text)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    root = tmp_path_factory.mktemp("colbert")
    prompts = {"query": "search: ", "document": "passage: "}
    return {
        "stanford": minilm_checkpoint(root),
        "sentence-transformers": multi_vector_checkpoint(root / "st", expansion=None, skip=[","], prompts=prompts),
        "pylate": pylate_checkpoint(root / "pylate"),
    }


@pytest.mark.slow  # loads sentence-transformers
@pytest.mark.parametrize("kind", ["stanford", "sentence-transformers", "pylate"])
def test_a_span_holds_the_letters_of_its_token(checkpoints, kind):
    encoder = load_colbert(str(checkpoints[kind]), dtype="float32", offline=True)
    assert isinstance(encoder, TokenPlacing)
    for side in ("document", "query"):
        names, spans = encoder.tokens(TEXT, side), encoder.spans(TEXT, side)
        assert len(names) == len(spans)
        prompt = {"search", "passage", ":"} if kind == "sentence-transformers" else set()
        for name, places in zip(names, spans, strict=True):
            if name in encoder.special_tokens | prompt:
                assert places == ()
            else:
                ((start, end),) = places
                letters = TEXT[start:end].lower().replace("i̇", "i")
                assert letters == name.removeprefix("##")
        assert sum(map(len, spans)) > 12


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "word " * 3_000, "lone \ud800 half", "a [PAD] b [MASK] c", "\n\n \n"])
def test_odd_texts_have_a_place_for_every_row(checkpoints, text):
    encoder = load_colbert(str(checkpoints["stanford"]), dtype="float32", offline=True)
    for side in ("document", "query"):
        spans = encoder.spans(text, side)
        assert len(spans) == len(encoder.tokens(text, side))
        assert all(0 <= start < end <= len(text) for places in spans for start, end in places)


@pytest.mark.slow
def test_pooled_tokens_stand_where_all_of_them_do(checkpoints):
    encoder = PooledEncoder(load_colbert(str(checkpoints["stanford"]), dtype="float32", offline=True), 2)
    spans, names = encoder.spans(TEXT, "document"), encoder.tokens(TEXT, "document")
    assert len(spans) == len(names) == len(encoder.encode_documents([TEXT])[0])
    assert max(map(len, spans)) > 1
    assert len({span for places in spans for span in places}) == sum(map(len, spans))
    bare = PooledEncoder(Letters(), 2)
    assert bare.spans("a b a b a", "document") == [()] * len(bare.tokens("a b a b a", "document"))


@pytest.mark.slow
def test_the_retriever_shades_the_token_that_matched(checkpoints):
    retriever = ColBERTRetriever(str(checkpoints["stanford"]))
    assert isinstance(retriever, Explaining)
    explained = retriever.explain("flooded well?", node_of(TEXT, title="Water"))
    assert explained.text == f"Water\n{TEXT}"
    matched = {part.query_part: [explained.text[start:end] for start, end in part.spans] for part in explained.parts}
    assert (matched["flooded"], matched["well"]) == (["flooded"], ["well"])
    assert 0 < explained.rest < 1
    assert explained.rest + sum(part.share for part in explained.parts) == pytest.approx(1)
    assert all(part.query_part not in retriever.encoder.special_tokens for part in explained.parts)


@pytest.mark.slow
def test_a_query_of_punctuation_and_an_empty_node_are_explained(checkpoints):
    retriever = ColBERTRetriever(str(checkpoints["stanford"]))
    assert [part.query_part for part in retriever.explain("?!", node_of(TEXT)).parts] == ["?", "!"]
    special = retriever.encoder.special_tokens
    assert all(part.node_part in special and part.spans == () for part in retriever.explain("well", node_of("")).parts)

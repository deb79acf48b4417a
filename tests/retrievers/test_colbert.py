"""The ColBERT retriever over a real index, with a real checkpoint made on the spot."""

import sqlite3
from contextlib import closing
from functools import partial

import numpy as np
import pytest
from colbert_checkpoints import minilm_checkpoint, tiny_checkpoint
from lateral import RAG
from lateral.errors import EncoderMismatchError, IndexConfigError, InvalidArgumentError
from lateral.loaders.indexed_text import indexed_text
from lateral.retrievers import open_retriever
from lateral.retrievers.colbert import ColBERTRetriever
from lateral.retrievers.models.colbert import load_colbert
from lateral.retrievers.models.colbert.encoder import ColbertEncoder
from lateral.retrievers.models.colbert.load import find_checkpoint
from lateral.retrievers.models.colbert.sentence_transformers import load_with_sentence_transformers
from lateral.retrievers.retriever import VectorSpace
from lateral.retrievers.store import Index

SNAKES = {
    "care": "Ball pythons eat mice and need a warm, dry hide. Handle the snake gently for some minutes a day.",
    "code": "Python is a programming language. Indentation marks blocks, and functions are defined with def.",
    "bread": "Sourdough rises for twelve hours before it is baked in a hot oven.",
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return minilm_checkpoint(tmp_path_factory.mktemp("colbert"))


@pytest.fixture(scope="module")
def encoder(checkpoint):
    return load_colbert(str(checkpoint), dtype="float32", offline=True)


@pytest.fixture
def rag(tmp_path, encoder):
    rag = RAG(tmp_path / "index", retrievers=(ColBERTRetriever(encoder=encoder),))
    rag.add([{"id": name, "text": text, "metadata": {"size": len(text)}} for name, text in SNAKES.items()])
    return rag


def by_hand(encoder, query, text):
    """The mean over the query's tokens of the best similarity, from the encoder's own matrices in halves."""
    (asked,), (found,) = encoder.encode_queries([query]), encoder.encode_documents([text])
    return float((asked @ found.astype(np.float16).astype(np.float32).T).max(axis=1).mean())


def test_a_snake_is_told_from_a_language(rag, encoder):
    hits = rag.retrieve("python snake")
    assert [hit.node.source for hit in hits][:2] == ["care", "code"]
    for hit in hits:
        assert hit.score == pytest.approx(by_hand(encoder, "python snake", indexed_text(hit.node)), abs=1e-5)
        assert [step.stage for step in hit.trail] == ["colbert"]


def test_what_is_added_replaced_and_removed_is_found_replaced_and_gone(rag):
    rag.add(
        [{"id": "care", "text": "Corn snakes are kept like ball pythons."}, {"id": "new", "text": "A snake hisses."}]
    )
    found = {hit.node.source: hit.node.text for hit in rag.retrieve("python snake")}
    assert found["care"] == "Corn snakes are kept like ball pythons."
    assert "new" in found
    rag.remove("care")
    assert "care" not in {hit.node.source for hit in rag.retrieve("python snake")}
    assert rag.verify().problems == ()


def test_a_filter_comes_before_the_top_k(rag):
    shortest = min(len(text) for text in SNAKES.values())
    hits = rag.retrieve("python snake", top_k=1, where={"size": {"$lte": shortest}})
    assert [hit.node.source for hit in hits] == ["bread"]


@pytest.mark.parametrize("form", ["float32", "float16", "int8", "binary"])
def test_every_format_finds_the_snake_and_says_what_it_lost(tmp_path, encoder, form):
    rag = RAG(tmp_path / form, retrievers=(ColBERTRetriever(encoder=encoder, vectors=form),))
    rag.add([{"id": name, "text": text} for name, text in SNAKES.items()])
    assert rag.retrieve("python snake")[0].node.source == "care"
    use = rag.status().vectors["colbert"]
    tokens = sum(len(matrix) for matrix in encoder.encode_documents(list(SNAKES.values())))
    assert (use.format, use.vectors) == (form, tokens)
    assert use.loss <= {"float32": 0, "float16": 1e-6, "int8": 1e-3, "binary": 0.3}[form]


def test_the_index_is_opened_by_its_settings_alone(tmp_path, checkpoint):
    path = tmp_path / "index"
    RAG(path, retrievers=("bm25", ColBERTRetriever(str(checkpoint), vectors="int8"))).add(
        {"id": "a", "text": "A snake."}
    )
    rag = RAG(path)
    assert [it.name for it in rag.retrievers] == ["bm25", "colbert"]
    assert rag.retrieve("snake")[0].node.source == "a"
    assert rag.status().vectors["colbert"].format == "int8"


def test_an_index_of_another_checkpoint_is_refused(rag, tmp_path):
    other = load_colbert(str(tiny_checkpoint(tmp_path / "tiny")), offline=True)
    with pytest.raises(EncoderMismatchError, match="vectors of another space"):
        RAG(tmp_path / "index", retrievers=(ColBERTRetriever(encoder=other),)).retrieve("snake")


class LookedFor(ColbertEncoder):
    """Its checkpoint takes so long to be found that much can happen."""

    meanwhile = staticmethod(lambda: None)

    @property
    def space(self):
        self.meanwhile()
        return self.checkpoint.space(self.folder.name)


def test_files_that_writers_replace_while_the_checkpoint_is_looked_for_are_open_by_then(tmp_path):
    folder = find_checkpoint(str(tiny_checkpoint(tmp_path / "tiny")))
    load = partial(load_with_sentence_transformers, device="cpu", dtype="float32")
    encoder = LookedFor(folder, backend="sentence-transformers", load=load)
    rag = RAG(tmp_path / "index", retrievers=(ColBERTRetriever(str(folder.path)),))
    for number in range(4):
        rag.add({"id": str(number), "text": f"Snake {number}."})
    first = {path.name for path in (tmp_path / "index" / "vectors").iterdir()}

    def meanwhile():
        encoder.meanwhile = lambda: None
        rag.add({"id": "4", "text": "One segment more, and all are merged."})
        with closing(sqlite3.connect(tmp_path / "index" / "catalog.sqlite")) as catalog, catalog:
            catalog.execute("UPDATE retired SET at = 0")  # long ago
        with rag.index.write():
            assert not first & {path.name for path in (tmp_path / "index" / "vectors").iterdir()}

    retriever = ColBERTRetriever(encoder=encoder)
    retriever.attach(Index(tmp_path / "index"))
    encoder.meanwhile = meanwhile
    assert {hit.node.source for hit in retriever.retrieve("snake", 5)} == {"0", "1", "2", "3"}
    assert len(retriever.retrieve("snake", 5)) == 5


@pytest.mark.parametrize("query", ["", "  ", "\n"])
def test_an_empty_query_has_no_hits(rag, query):
    assert rag.retrieve(query) == []


@pytest.mark.parametrize("query", ["?!", "snake " * 10_000, "lone \ud800 surrogate"])
def test_odd_queries_are_answered(rag, query):
    assert len(rag.retrieve(query)) == 3


def test_an_empty_index_has_no_hits(tmp_path, encoder):
    rag = RAG(tmp_path / "empty", retrievers=(ColBERTRetriever(encoder=encoder),))
    rag.add([{"id": "a", "text": "A snake."}])
    rag.remove("a")
    assert rag.retrieve("snake") == []


def test_a_hit_is_explained_token_by_token(rag, encoder):
    hit = rag.retrieve("python snake")[0]
    explained = rag.retrievers[0].explain("python snake", hit.node)
    assert [part.query_part for part in explained.parts][:2] == ["python", "snake"]
    assert {part.query_part: part.node_part for part in explained.parts}["snake"] in {"snake", "##s", "python"}
    assert all(-1 <= part.similarity <= 1 for part in explained.parts)
    asked = encoder.encode_queries(["python snake"])[0]
    assert explained.total / len(asked) == pytest.approx(hit.score, abs=1e-3)
    assert ">snake</td>" in explained._repr_html_()


def test_a_checkpoint_must_be_named():
    with pytest.raises(InvalidArgumentError, match=r"name one, such as 'colbert-ir/colbertv2\.0'"):
        ColBERTRetriever()
    with pytest.raises(InvalidArgumentError, match="needs a checkpoint"):
        open_retriever("colbert")
    with pytest.raises(IndexConfigError, match="can't be built with"):
        open_retriever("colbert", {"language": "english"})


class Longer:
    """A token encoder of one vector a text, along the query's: a little longer than 1, as its text says."""

    space = VectorSpace("longer", 4, "longer")
    max_tokens = 100
    special_tokens = frozenset()

    def count_tokens(self, texts):
        return [1 for _ in texts]

    def encode_documents(self, texts):
        return [np.array([[float(text), 0, 0, 0]], np.float32) for text in texts]

    def encode_queries(self, texts):
        return [np.array([[1, 0, 0, 0]], np.float32) for _ in texts]

    def tokens(self, text, side):
        return [text]


@pytest.mark.parametrize("names", ["abcd", "dcba"])
def test_means_that_are_the_same_are_ordered_by_id(tmp_path, names):
    rag = RAG(tmp_path / "index", retrievers=(ColBERTRetriever(encoder=Longer(), vectors="float32"),))
    lengths = ("1.008", "1.006", "1.004", "1.002")  # as good as each other: a cosine ends at 1
    rag.add([{"id": name, "text": length} for name, length in zip(names, lengths, strict=True)])
    hits = rag.retrieve("how long?")
    assert [hit.score for hit in hits] == [1, 1, 1, 1]
    assert [hit.node.id for hit in hits] == sorted(hit.node.id for hit in hits)

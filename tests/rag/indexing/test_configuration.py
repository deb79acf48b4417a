import numpy as np
import pytest
from builders import FACTS, CountingEmbedder
from lateral import RAG, BiEncoderRetriever
from lateral.errors import (
    EncoderMismatchError,
    IndexConfigError,
    InvalidArgumentError,
    ModelNotFoundError,
)
from lateral.retrievers import HashEmbedder


class WideEncoder(HashEmbedder):
    def encode_documents(self, texts):
        return np.zeros((len(texts), 99), np.float32)


def test_an_encoder_that_gives_another_shape_is_refused(tmp_path):
    rag = RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=WideEncoder(16)),))
    with pytest.raises(InvalidArgumentError, match=r"finite matrices of 16 columns, got one of shape \(1, 99\)"):
        rag.add({"id": "a", "text": "words"})


def test_the_catalog_remembers_and_a_different_wish_is_an_error(rag, folder, tmp_path):
    rag.add(folder)
    path = tmp_path / "index"
    reopened = RAG(path)
    assert reopened.retrieve("green tea")[0].node.metadata["file_name"] == "tea.txt", (
        "hash-embedder-64 is found by name"
    )
    with pytest.raises(IndexConfigError, match="made with chunk_size=512, got 100"):
        RAG(path, chunk_size=100).add(folder)
    with pytest.raises(IndexConfigError, match="made with the retrievers bm25, bi-encoder"):
        RAG(path, retrievers=("bm25",)).retrieve("tea")
    with pytest.raises(EncoderMismatchError, match="another space"):
        RAG(path, retrievers=("bm25", BiEncoderRetriever(encoder=HashEmbedder(32)))).retrieve("tea")
    (folder / "new.txt").write_text("New words.")
    with pytest.raises(EncoderMismatchError, match="another space"):
        RAG(path, retrievers=("bm25", BiEncoderRetriever(encoder=HashEmbedder(32)))).add(folder)


def test_chunks_are_as_long_as_the_encoder_reads_whole(rag, tmp_path):
    rag.add({"id": "long", "text": "word " * 2000})
    status = rag.status()
    assert (status.chunk_size, status.chunk_overlap, status.cut_passages) == (512, 16, 0)


def test_passages_longer_than_the_encoder_reads_are_counted_and_said(tmp_path, caplog):
    rag = RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=HashEmbedder(16)),), chunk_size=1000)
    rag.add({"id": "long", "text": "word " * 900})
    assert rag.status().cut_passages == 1
    assert "1 passages are longer than the 512 tokens" in caplog.text


def test_two_retrievers_with_one_space_share_its_vectors(tmp_path):
    class Second(BiEncoderRetriever):
        name = "second"

    encoder = CountingEmbedder()
    rag = RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=encoder), Second(encoder=encoder)))
    rag.add({"id": "a", "text": "some words"})
    assert encoder.encoded == ["some words"]
    assert [step.stage for step in rag.retrieve("words")[0].trail] == ["bi-encoder", "second", "convex"]


def test_a_rag_that_looked_before_the_index_was_made_follows_the_catalog(tmp_path):
    early = RAG(tmp_path / "index", retrievers=("bm25",))
    assert [retriever.name for retriever in early.retrievers] == ["bm25"]
    RAG(tmp_path / "index", retrievers=("bm25", BiEncoderRetriever(encoder=HashEmbedder()))).add(
        {"id": "a", "text": "b c"}
    )
    with pytest.raises(IndexConfigError, match="made with the retrievers bm25, bi-encoder"):
        early.add({"id": "d", "text": "e f"})


def test_an_index_without_documents_can_be_made_otherwise(tmp_path, folder):
    broken = CountingEmbedder()
    broken.fail = True
    with pytest.raises(RuntimeError, match="broke"):
        RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=broken),)).add(folder)
    rag = RAG(tmp_path / "index", retrievers=("bm25",), chunk_size=40)
    rag.add(folder)
    assert (list(rag.status().retrievers), rag.status().chunk_size) == (["bm25"], 40)


def test_retrievers_are_named_once_and_as_they_are(tmp_path):
    with pytest.raises(InvalidArgumentError, match="each retriever can be named once"):
        RAG(tmp_path / "index", retrievers=("bm25", "bm25")).add({"id": "a", "text": "b"})
    with pytest.raises(InvalidArgumentError, match="there is no retriever named 'bi_encoder'"):
        RAG(tmp_path / "index", retrievers=("bi_encoder",)).add({"id": "a", "text": "b"})
    one = RAG(tmp_path / "one", retrievers="bm25")
    one.add({"id": "a", "text": "two words"})
    assert [step.stage for step in one.retrieve("words")[0].trail] == ["bm25"]


@pytest.mark.parametrize("form", ["float16", "int8", "binary"])
def test_vectors_are_stored_in_the_format_that_the_index_was_made_with(tmp_path, form):
    path, documents = tmp_path / "index", [{"id": name, "text": text} for name, text in FACTS.items()]
    RAG(path, retrievers=(BiEncoderRetriever(encoder=HashEmbedder(64), vectors=form),)).add(documents[:2])
    rag = RAG(path, retrievers=(BiEncoderRetriever(encoder=HashEmbedder(64)),))
    rag.add(documents[2:])
    use = rag.status().vectors["bi-encoder"]
    assert (use.format, use.vectors) == (form, 3)
    least, most = {"float16": (0, 1e-6), "int8": (0, 1e-3), "binary": (0.05, 0.8)}[form]
    assert least <= use.loss <= most
    assert {hit.node.source for hit in rag.retrieve("green tea")} == set(FACTS)
    assert rag.retrieve("Green tea is brewed at 80 degrees for two minutes.")[0].node.source == "tea.txt"
    assert rag.verify().problems == ()
    other = RAG(path, retrievers=(BiEncoderRetriever(encoder=HashEmbedder(64), vectors="float32"),))
    with pytest.raises(IndexConfigError, match=f"stores the vectors of bi-encoder as {form}, and not as float32"):
        other.add({"id": "more", "text": "More."})


def test_a_format_that_is_none_is_refused():
    with pytest.raises(InvalidArgumentError, match="stored as float32, float16, int8, binary, got 'int4'"):
        BiEncoderRetriever(vectors="int4")


def test_a_model_of_another_name_is_looked_at_though_nothing_is_to_be_encoded(rag, folder, tmp_path):
    rag.add(folder)
    own = {"bm25": "bm25", "same": BiEncoderRetriever("hash-embedder-64")}
    assert RAG(tmp_path / "index", retrievers=tuple(own.values())).add(folder).unchanged == 3
    for model, error in (("hash-embedder-32", EncoderMismatchError), ("no such model", ModelNotFoundError)):
        with pytest.raises(error):
            RAG(tmp_path / "index", retrievers=("bm25", BiEncoderRetriever(model))).add(folder)

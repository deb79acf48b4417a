"""What a `RAG` has opened, and lets go of."""

import gc
import threading
import weakref

import pytest
from builders import FACTS
from cross_encoders import tiny_cross_encoder
from lateral import RAG, BiEncoderRetriever
from lateral.rerankers.cross_encoder import CrossEncoderReranker
from lateral.retrievers import HashEmbedder


@pytest.fixture
def made(tmp_path):
    retriever = BiEncoderRetriever(encoder=HashEmbedder(64))
    RAG(tmp_path / "index", retrievers=("bm25", retriever)).add(
        [{"id": it, "text": text} for it, text in FACTS.items()]
    )
    return tmp_path / "index"


def test_closing_lets_go_of_models_that_were_named_and_the_next_call_opens_them_again(made):
    rag = RAG(made)
    before = rag.retrieve("green tea")
    model = weakref.ref(rag.retrievers[1])
    assert model().encoder is not None
    rag.close()
    gc.collect()
    assert model() is None
    assert rag.retrieve("green tea") == before


def test_closing_lets_go_of_what_other_threads_have_searched_with(made):
    rag, asked, closed = RAG(made), threading.Event(), threading.Event()

    def search():
        rag.retrieve("green tea")
        asked.set()
        closed.wait(60)

    thread = threading.Thread(target=search)
    thread.start()
    asked.wait(60)
    with rag.index.read() as snapshot:
        derived = weakref.ref(snapshot.cached("bi-encoder", list))
    rag.close()
    gc.collect()
    assert thread.is_alive()
    assert derived() is None
    closed.set()
    thread.join()


def test_a_reranker_that_was_named_is_opened_again(made, tmp_path):
    model = tiny_cross_encoder(tmp_path / "model")
    rag = RAG(made, reranker=f"cross-encoder={model}")
    before = rag.retrieve("green tea")
    opened = weakref.ref(rag.reranker)
    rag.close()
    gc.collect()
    assert opened() is None
    assert rag.retrieve("green tea") == before
    rag.close()
    assert rag.retrieve("green tea") == before


def test_objects_that_were_handed_over_stay(made):
    mine, reranker = BiEncoderRetriever(encoder=HashEmbedder(64)), CrossEncoderReranker("some/model")
    rag = RAG(made, retrievers=("bm25", mine), reranker="cross-encoder=another/model")
    rag.reranker = reranker
    rag.close()
    assert rag.retrievers[1] is mine
    assert rag.reranker is reranker

"""Small real nodes, hits and passages for the tests of this floor."""

from collections.abc import Callable

import pytest
from builders import FACTS, CountingEmbedder
from chroma_servers import running
from lateral import RAG, BiEncoderRetriever
from lateral.loaders.node import Node, document_id, node_id
from lateral.rag.context import Passage
from lateral.retrievers.hit import Hit
from lateral.retrievers.models import load_bi_encoder
from lateral.retrievers.retriever import Encoder


def _make_hit(
    text: str, start: int = 0, *, source: str = "/docs/a.pdf", page: int | None = 1, kind="chunk", score: float = 1.0
) -> Hit:
    document = document_id(source)
    identity = node_id(document, page, kind, start, text)
    return Hit(Node(identity, document, source, page, kind, text, start, start + len(text)), score)


def _make_passage(text: str, n: int = 1, *, source: str = "/docs/handbook.pdf", page: int | None = 3) -> Passage:
    hit = _make_hit(text, source=source, page=page)
    return Passage(n, (hit.node,), text, hit.node.document_id, source, page, 0, len(text), len(text.split()), (hit,))


@pytest.fixture(scope="session")
def make_hit() -> Callable[..., Hit]:
    """A factory of hits: text, start offset, and source, page, kind, score by keyword."""
    return _make_hit


@pytest.fixture(scope="session")
def make_passage() -> Callable[..., Passage]:
    """A factory of passages: text, number, and source, page by keyword."""
    return _make_passage


@pytest.fixture(scope="session")
def minilm() -> Encoder:
    """The default encoder, loaded once."""
    return load_bi_encoder()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in FACTS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def embedder():
    return CountingEmbedder()


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory):
    """The address of a real Chroma server."""
    with running(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def store(request):
    """The store of dense search, None unless a test names some; see tests/stores.py."""
    chosen = getattr(request, "param", None)
    return request.getfixturevalue("chroma_server") if chosen == "server" else chosen


@pytest.fixture
def rag(tmp_path, embedder, store):
    return RAG(tmp_path / "index", retrievers=("bm25", BiEncoderRetriever(encoder=embedder, store=store)))

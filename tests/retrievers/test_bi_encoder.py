import shutil

import numpy as np
import pytest
from builders import make_document, put
from hypothesis import given
from hypothesis import strategies as st
from lateral.errors import EncoderMismatchError, InvalidArgumentError
from lateral.loaders.indexed_text import indexed_text
from lateral.retrievers.bi_encoder import BiEncoderRetriever
from lateral.retrievers.chroma import ChromaSearch
from lateral.retrievers.hash_embedder import HashEmbedder
from lateral.retrievers.store import Index, IndexConfig, RetrieverConfig
from lateral.retrievers.top import top_positions

EMBEDDER = HashEmbedder(16)


@pytest.fixture(scope="module", params=["auto", "chroma"])
def made(tmp_path_factory, request):
    """An index, searched exactly or through Chroma."""
    index = Index(tmp_path_factory.mktemp("made") / "index")
    with index.write() as writer:
        for number in range(30):  # 30 commits: 30 segments
            put(writer, [make_document(f"doc-{number}", f"text {number} about topic {number % 7}", topic=number % 7)])
        settings = {"model": EMBEDDER.space.model, "store": request.param}
        writer.set_config(IndexConfig((RetrieverConfig("bi-encoder", settings, EMBEDDER.space),), 32, 4))
        if request.param == "chroma":
            with index.read() as snapshot:
                ChromaSearch("chroma").refresh(writer, snapshot, EMBEDDER.space)
            assert writer.published("chroma") is not None
    return index


@pytest.fixture
def index(tmp_path, made):
    """A copy that a test may change."""
    shutil.copytree(made.folder, tmp_path / "index")
    return Index(tmp_path / "index")


def attached(index, encoder=EMBEDDER):
    retriever = BiEncoderRetriever(encoder=encoder)
    retriever.attach(index)
    return retriever


def brute_force(index, query, topic=None):
    """Every cosine, one dot product at a time."""
    with index.read() as snapshot:
        nodes = [node for node in snapshot.chunks() if topic is None or node.metadata["topic"] == topic]
    scored = [
        (
            float(np.dot(EMBEDDER.encode_documents([indexed_text(node)])[0], EMBEDDER.encode_queries([query])[0])),
            node.id,
        )
        for node in nodes
    ]
    return sorted(scored, key=lambda it: (-round(it[0], 5), it[1]))


@pytest.mark.parametrize("top_k", [1, 5, 30, 1000])
def test_search_is_exact_over_many_segments(index, top_k):
    hits = attached(index).retrieve("topic 3 text", top_k)
    expected = brute_force(index, "topic 3 text")[:top_k]
    assert [hit.score for hit in hits] == pytest.approx([score for score, _ in expected], abs=1e-6)
    assert {hit.node.id for hit in hits if hit.score > expected[-1][0] + 1e-5} == {
        node_id for score, node_id in expected if score > expected[-1][0] + 1e-5
    }


def test_the_filter_comes_before_top_k(index):
    hits = attached(index).retrieve("topic 3 text", 3, {"topic": 5})
    assert [hit.node.metadata["topic"] for hit in hits] == [5, 5, 5]
    assert [hit.score for hit in hits] == pytest.approx(
        [it[0] for it in brute_force(index, "topic 3 text", 5)[:3]], abs=1e-6
    )


def test_merging_segments_changes_no_score(index):
    before = [(hit.node.id, hit.score) for hit in attached(index).retrieve("topic 3 text", 30)]
    with index.write() as writer:
        attached(index).refresh(writer)
    after = [(hit.node.id, hit.score) for hit in attached(Index(index.folder)).retrieve("topic 3 text", 30)]
    assert dict(after) == pytest.approx(dict(before), abs=1e-6)


def test_an_encoder_of_another_space_is_refused(index):
    with pytest.raises(EncoderMismatchError, match=r"holds vectors of 'hash-embedder-16'.*'hash-embedder-24'"):
        attached(index, HashEmbedder(24)).retrieve("topic", 3)


@pytest.mark.parametrize("query", ["", " \n"])
def test_an_empty_query_has_no_hits(index, query):
    assert attached(index).retrieve(query, 5) == []


def test_a_wrong_top_k_is_refused(index):
    with pytest.raises(InvalidArgumentError, match="got 0"):
        attached(index).retrieve("topic", 0)


def test_a_removed_document_is_not_found(index):
    retriever = attached(index)
    best = retriever.retrieve("text 3 about topic 3", 1)[0].node
    with index.write() as writer:
        writer.remove([best.document_id])
    assert best.id not in [hit.node.id for hit in retriever.retrieve("text 3 about topic 3", 100)]


class BrokenEncoder(HashEmbedder):
    def encode_queries(self, texts):
        return np.full((len(texts), 16), np.nan, np.float32)


def test_a_nan_score_is_an_error_not_a_rank(index):
    with pytest.raises(InvalidArgumentError, match="NaN"):
        attached(index, BrokenEncoder(16)).retrieve("topic", 3)


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans()), max_size=40),
    st.integers(1, 50),
    st.sampled_from([None, 0.0]),
)
def test_top_positions_agree_with_sorting(rows, top_k, above):
    scores = np.array([score for score, _ in rows], np.float32)
    allowed = np.array([keep for _, keep in rows], np.bool_)
    expected = sorted(
        (at for at, (score, keep) in enumerate(rows) if keep and (above is None or score > above)),
        key=lambda at: (-rows[at][0], at),
    )[:top_k]
    assert top_positions(scores, top_k, allowed, above=above).tolist() == expected

"""The cross-encoder behind a search, against sentence-transformers' own scores."""

import math

import pytest
from cross_encoders import IDENTITY, changed, predicted, tiny_cross_encoder
from lateral import RAG
from lateral.errors import InvalidArgumentError, ModelNotFoundError
from lateral.loaders.node import Node, document_id, node_id
from lateral.rerankers import CrossEncoderReranker, Reranker
from lateral.rerankers.windows import PairWindows
from lateral.retrievers import Hit, TrailStep
from lateral.retrievers.models.cross_encoder import read_cross_encoder

pytestmark = pytest.mark.slow  # importing sentence-transformers takes 6 s

QUERY = "How hot is green tea brewed?"
TEXTS = [
    "Green tea is brewed at 80 degrees for two minutes.",
    "Sourdough rises for twelve hours. The oven is heated to 230 degrees.",
    "Honey keeps for years in a closed jar. Bees make it from nectar.",
    "The kettle holds two litres.",
]
TOLERANCE = 1e-5  # measured: 1e-7


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_cross_encoder(tmp_path_factory.mktemp("models") / "tiny", activation=IDENTITY)


@pytest.fixture(scope="module")
def plain(model):
    """In float32 and torch: to compare with."""
    return CrossEncoderReranker(str(model), dtype="float32", backend="torch")


def make_hit(text, at=0, **metadata):
    document = document_id(f"/{at}.txt")
    node = Node(
        node_id(document, None, "chunk", 0, text), document, f"/{at}.txt", None, "chunk", text, 0, len(text), metadata
    )
    return Hit(node, 1 / (at + 1), (TrailStep("bm25", at + 1, 1 / (at + 1)),))


@pytest.fixture
def hits():
    return [make_hit(text, at) for at, text in enumerate(TEXTS)]


def test_it_is_a_reranker(plain):
    assert isinstance(plain, Reranker)
    assert (plain.name, plain.candidates) == ("cross-encoder", 50)


def test_hits_are_ordered_by_the_model_s_own_scores(model, plain, hits):
    expected = predicted(model, [(QUERY, text) for text in TEXTS])
    found = plain.rerank(QUERY, hits, 3)
    order = sorted(range(len(TEXTS)), key=lambda at: -expected[at])[:3]
    assert [hit.node for hit in found] == [hits[at].node for at in order]
    assert [hit.score for hit in found] == pytest.approx([expected[at] for at in order], abs=TOLERANCE)
    assert found[0].trail == (*hits[order[0]].trail, TrailStep("cross-encoder", 1, found[0].score))


def test_scores_are_logits_or_pass_the_sigmoid_as_asked(model, plain):
    [logit] = plain.score(QUERY, TEXTS[:1])
    bounded = CrossEncoderReranker(str(model), dtype="float32", backend="torch", activation="sigmoid")
    assert bounded.score(QUERY, TEXTS[:1]) == pytest.approx([1 / (1 + math.exp(-logit))])


def test_without_a_word_in_the_files_scores_pass_the_sigmoid(tmp_path, model):
    folder = changed(tmp_path / "model", model, sentence_transformers=None)
    found = CrossEncoderReranker(str(folder), dtype="float32", backend="torch").score(QUERY, TEXTS)
    assert found == pytest.approx(predicted(folder, [(QUERY, text) for text in TEXTS]), abs=TOLERANCE)
    assert all(0 < score < 1 for score in found)


def test_an_unknown_activation_must_be_named_by_the_user(tmp_path, model):
    tanh = {"activation_fn": "torch.nn.modules.activation.Tanh"}
    folder = changed(tmp_path / "model", model, sentence_transformers=tanh)
    with pytest.raises(InvalidArgumentError, match="passes its scores through a function that is not known here"):
        CrossEncoderReranker(str(folder)).check_ready()
    CrossEncoderReranker(str(folder), activation="none").check_ready()


def test_hits_are_read_under_their_line_of_context(model, plain):
    hit = make_hit(TEXTS[0], title="Tea", header_path="Brewing > Green")
    [expected] = predicted(model, [(QUERY, f"Tea > Brewing > Green\n{TEXTS[0]}")])
    assert plain.rerank(QUERY, [hit], 1)[0].score == pytest.approx(expected, abs=TOLERANCE)


def test_a_long_passage_scores_by_its_best_window(model, plain):
    text = " ".join(f"{TEXTS[at % 4]} Part {at}." for at in range(40))
    _, [pieces] = PairWindows(read_cross_encoder(model)).split(QUERY, [text])
    assert len(pieces) > 3
    expected = predicted(model, [(QUERY, piece) for piece in pieces])
    assert plain.score(QUERY, [TEXTS[0], text])[1] == pytest.approx(max(expected), abs=TOLERANCE)


def test_an_empty_query_and_no_hits_have_none(plain, hits):
    assert plain.rerank(" ", hits, 5) == []
    assert plain.rerank(QUERY, [], 5) == []
    with pytest.raises(InvalidArgumentError, match="top_k must be a whole number of at least 1"):
        plain.rerank(QUERY, hits, 0)


def test_one_text_in_several_hits_has_one_score_and_keeps_their_order(plain):
    hits = [make_hit(TEXTS[0], at) for at in (3, 1, 2)]
    found = plain.rerank(QUERY, hits, 3)
    assert len({hit.score for hit in found}) == 1
    assert [hit.node for hit in found] == [hit.node for hit in hits]
    with pytest.raises(InvalidArgumentError, match="was given one node twice"):
        plain.rerank(QUERY, [hits[0], hits[0]], 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": " "}, "must be a string with content"),
        ({"model": "m", "activation": "tanh"}, "activation must be one of auto, sigmoid, none, got 'tanh'"),
        ({"model": "m", "candidates": 0}, "candidates must be a whole number of at least 1"),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        CrossEncoderReranker(**arguments)


def test_a_model_of_several_labels_or_none_at_all_is_refused_when_it_is_used(tmp_path, hits):
    several = tiny_cross_encoder(tmp_path / "several", labels=3)
    with pytest.raises(ModelNotFoundError, match="gives 3 labels a pair, and a reranker needs one score"):
        CrossEncoderReranker(str(several)).rerank(QUERY, hits, 2)
    with pytest.raises(ModelNotFoundError, match="the cross-encoder 'no/such/folder' can't be had"):
        CrossEncoderReranker("no/such/folder").check_ready()


@pytest.fixture
def filled(tmp_path):
    rag = RAG(tmp_path / "index", retrievers="bm25")
    rag.add([{"id": f"doc-{at:03}", "text": f"{TEXTS[at % 4]} Green tea, part {at}."} for at in range(60)])
    return rag


def test_a_pipeline_takes_it_by_name_and_gives_it_the_candidates_it_asks_for(filled, model, plain):
    rag = RAG(filled.index.folder, reranker=f"cross-encoder={model}")
    found = rag.retrieve(QUERY, 5)
    assert [step.stage for step in found[0].trail] == ["bm25", "cross-encoder"]
    assert max(hit.trail[0].rank for hit in rag.retrieve(QUERY, 50)) == 50
    few = RAG(filled.index.folder, reranker=CrossEncoderReranker(str(model), candidates=7))
    assert {hit.node for hit in few.retrieve(QUERY, 5)} <= {hit.node for hit in filled.retrieve(QUERY, 7)}
    expected = plain.rerank(QUERY, filled.retrieve(QUERY, 50), 5)
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=0.1)


def test_an_explanation_has_its_step_last(filled, model):
    rag = RAG(filled.index.folder, reranker=CrossEncoderReranker(str(model), candidates=7))
    best = rag.retrieve(QUERY, 3)[0]
    path = rag.explain(QUERY, top_k=3).path
    assert [(step.stage, step.rank, step.score) for step in path] == [tuple(step) for step in best.trail]
    unread = filled.retrieve(QUERY, 20)[19]
    assert [str(step) for step in rag.explain(QUERY, unread, top_k=3).path] == ["20 of 60", "not among the first 7"]


def test_what_is_explained_is_the_search_of_as_many_hits(filled, model):
    rag = RAG(filled.index.folder, reranker=CrossEncoderReranker(str(model), candidates=2))
    for top_k in (1, 10, 40):
        hits = rag.retrieve(QUERY, top_k)
        told = [rag.explain(QUERY, rank, top_k=top_k) for rank in {1, len(hits)}]
        assert [it.node for it in told] == [hits[rank - 1].node for rank in {1, len(hits)}]
        assert {it.path[-1].listed for it in told} == {max(2, top_k)}
    with pytest.raises(InvalidArgumentError, match="top_k must be a whole number of at least 1"):
        rag.explain(QUERY, top_k=0)


def test_a_depth_beyond_the_retrievers_own_is_explained_too(tmp_path, model):
    rag = RAG(tmp_path / "index", retrievers="bm25")
    rag.add([{"id": f"doc-{at:03}", "text": f"{TEXTS[at % 4]} Green tea, part {at}."} for at in range(130)])
    deep = RAG(tmp_path / "index", reranker=CrossEncoderReranker(str(model), candidates=120))
    assert deep.explain(QUERY).path[-1].listed == 120
    assert deep.explain(QUERY).node == deep.retrieve(QUERY)[0].node

import numpy as np
import pytest
from lateral.errors import InvalidArgumentError
from lateral.retrievers.bi_encoder import BiEncoderRetriever
from lateral.retrievers.bm25 import BM25Retriever
from lateral.retrievers.canned import CannedRetriever
from lateral.retrievers.hash_embedder import HashEmbedder
from lateral.retrievers.scale import measure_scale
from lateral.retrievers.score_scale import LEXICAL_SCALE, UNKNOWN_SCALE, Scaled, ScoreScale, similarity_scale


class ConstantEmbedder(HashEmbedder):
    """Gives every text the same vector."""

    def encode_documents(self, texts):
        return np.tile(np.eye(1, self.space.dim, dtype=np.float32), (len(texts), 1))

    encode_queries = encode_documents


@pytest.mark.parametrize(
    ("floor", "ceiling"), [(1.0, 1.0), (2.0, 1.0), (float("nan"), None), (None, float("inf")), (float("-inf"), 1.0)]
)
def test_ends_that_are_no_ends_are_refused(floor, ceiling):
    with pytest.raises(InvalidArgumentError, match="a scale's ends must be finite, the ceiling above the floor"):
        ScoreScale(floor, ceiling)


def test_built_in_retrievers_know_their_scales():
    encoder = HashEmbedder(64)
    background = measure_scale(encoder, questions=True).background
    assert BM25Retriever().score_scale == LEXICAL_SCALE == ScoreScale(0.0, None)
    assert BiEncoderRetriever(encoder=encoder).score_scale == ScoreScale(background, 1.0)
    assert not isinstance(CannedRetriever([]), Scaled)


def test_encoder_that_gives_every_text_one_vector_has_no_scale():
    assert similarity_scale(ConstantEmbedder(8)) == UNKNOWN_SCALE


def test_scores_find_their_place_between_the_ends_that_are_known():
    scores = {"a": 3.0, "b": 1.0}
    assert ScoreScale(-1.0, 7.0).normalised(scores) == {"a": 0.5, "b": 0.25}
    assert ScoreScale(-1.0).normalised(scores) == {"a": 1.0, "b": 0.5}
    assert ScoreScale(ceiling=5.0).normalised(scores) == {"a": 0.5, "b": 0.0}
    assert UNKNOWN_SCALE.normalised({}) == {}


@pytest.mark.parametrize("ceiling", [1.0, 0.5])
def test_ranking_wholly_above_the_ceiling_or_at_it_has_one(ceiling):
    assert ScoreScale(ceiling=ceiling).normalised({"a": 1.0}) == {"a": 1.0}

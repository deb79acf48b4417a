import gc
import json
import weakref
from hashlib import sha256

import numpy as np
import pytest
from lateral.errors import InvalidArgumentError
from lateral.retrievers.hash_embedder import HashEmbedder
from lateral.retrievers.retriever import VectorSpace
from lateral.retrievers.scale import CosineScale, measure_scale


class Shifted:
    """Another encoder's vectors with one constant coordinate: its cosines become (cosine + share) / (1 + share)."""

    max_tokens = 512
    space = VectorSpace("shifted", 65, "shifted")

    def __init__(self, share: float) -> None:
        self._inner, self._share = HashEmbedder(64), share

    def count_tokens(self, texts):
        return self._inner.count_tokens(texts)

    def encode_documents(self, texts):
        vectors = self._inner.encode_documents(texts)
        whole = np.hstack([vectors, np.full((len(texts), 1), self._share**0.5, np.float32)])
        return whole / np.linalg.norm(whole, axis=1, keepdims=True)

    encode_queries = encode_documents


class Broken(Shifted):
    def encode_documents(self, texts):
        return np.full((len(texts), 65), np.nan, np.float32)


class Counting(HashEmbedder):
    """Counts the texts that it encodes."""

    encoded = 0

    def encode_documents(self, texts):
        self.encoded += len(texts)
        return super().encode_documents(texts)


class Unhashable(Counting):
    __hash__ = None


class Slotted:
    """Can't be weakly referenced."""

    __slots__ = ("inner",)

    def __init__(self):
        self.inner = Counting(64)

    def encode_documents(self, texts):
        return self.inner.encode_documents(texts)

    encode_queries = encode_documents

    @property
    def encoded(self):
        return self.inner.encoded


def test_an_encoder_is_measured_once_for_each_kind_of_comparison():
    encoder, other = Counting(64), Counting(8)
    first = [measure_scale(encoder, questions=questions) for questions in (True, False)]
    assert encoder.encoded == 48
    assert [measure_scale(encoder, questions=questions) for questions in (True, False)] == first
    assert encoder.encoded == 48
    assert first[0] != first[1]
    assert measure_scale(other, questions=True) != first[0]


def test_a_measured_encoder_is_not_kept_alive():
    encoder = Counting(64)
    measure_scale(encoder, questions=True)
    watched = weakref.ref(encoder)
    del encoder
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("make", [lambda: Unhashable(64), Slotted])
def test_an_encoder_that_can_not_be_remembered_is_measured_each_time(make):
    encoder = make()
    assert measure_scale(encoder, questions=True) == measure_scale(encoder, questions=True)
    assert encoder.encoded == 48


class Repeated(Counting):
    """Says what its vectors depend on."""

    computation = "in order"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATERAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_scale_outlives_the_encoder_where_it_says_what_its_vectors_depend_on(cache):
    first = [measure_scale(Repeated(64), questions=questions) for questions in (True, False)]
    later = Repeated(64)
    assert [measure_scale(later, questions=questions) for questions in (True, False)] == first
    assert later.encoded == 0
    assert [measure_scale(Counting(64), questions=questions) for questions in (True, False)] == first
    assert len(list((cache / "scales").iterdir())) == 2


@pytest.mark.parametrize("differs", ["space", "computation"])
def test_another_encoder_s_scale_is_not_taken(cache, differs):
    measure_scale(Repeated(64), questions=True)
    other = Repeated(32 if differs == "space" else 64)
    other.computation = "in order" if differs == "space" else "backwards"
    measure_scale(other, questions=True)
    assert other.encoded == 24


class Changing(Counting):
    """Another runtime takes over when it first encodes documents."""

    @property
    def computation(self):
        return "slow" if self.encoded else "fast"


class Unknown(Counting):
    """Can't say what its vectors depend on."""

    computation = None


@pytest.mark.parametrize("kind", [Counting, Unknown, Changing])
def test_what_is_not_known_to_be_the_same_in_another_process_is_measured_by_each(cache, kind):
    for encoder in (kind(64), kind(64)):
        measure_scale(encoder, questions=True)
        assert encoder.encoded == 24
    assert not cache.exists()


@pytest.mark.parametrize("numbers", [[0.5], [0.5, 0.6, 0.7], [0.5, 1.5], [-7.0, 0.5]])
def test_numbers_that_are_no_scale_are_measured_anew(cache, numbers):
    expected = measure_scale(Repeated(64), questions=True)
    (path,) = (cache / "scales").iterdir()
    written = json.loads(path.read_text())
    text = json.dumps([written["key"], numbers])
    path.write_text(json.dumps({**written, "numbers": numbers, "sha256": sha256(text.encode()).hexdigest()}))
    encoder = Repeated(64)
    assert measure_scale(encoder, questions=True) == expected
    assert encoder.encoded == 24
    assert json.loads(path.read_text()) == written


class PairEncoder:
    """A late-interaction encoder whose texts have two token vectors: the text's own and one that all share."""

    def __init__(self):
        self.inner = HashEmbedder(64)
        self.texts = []

    def encode_documents(self, texts):
        self.texts.append(texts)
        own = np.pad(self.inner.encode_documents(texts), ((0, 0), (0, 1)))
        return [np.vstack([row, np.eye(65, dtype=np.float32)[64]]) for row in own]

    encode_queries = encode_documents


def test_token_vectors_are_measured_by_mean_maxsim():
    pairs = PairEncoder()
    scale = measure_scale(pairs, questions=True)
    asked, said = (pairs.inner.encode_documents(texts) for texts in pairs.texts)
    means = (np.maximum(asked @ said.T, 0) + 1) / 2  # the own token matches one of two, the shared one matches at 1
    assert scale.related == pytest.approx(np.diagonal(means).mean(), abs=1e-5)
    assert scale.background == pytest.approx(means[~np.eye(12, dtype=bool)].mean(), abs=1e-5)


def test_background_is_zero_and_related_is_one():
    scale = CosineScale(background=0.5, related=0.9)
    np.testing.assert_allclose(scale.scaled(np.array([0.5, 0.9, 0.7, 0.3], np.float32)), [0, 1, 0.5, -0.5], rtol=1e-6)


@pytest.mark.parametrize(
    ("background", "related", "meaningful"),
    [(0.0, 0.41, True), (0.0, 0.39, False), (0.5, 0.71, True), (0.5, 0.69, False)],
)
def test_an_encoder_must_set_related_texts_apart(background, related, meaningful):
    assert CosineScale(background, related).meaningful is meaningful


@pytest.mark.parametrize("questions", [True, False])
def test_a_constant_share_in_the_vectors_changes_no_scaled_value(questions):
    plain, shifted = HashEmbedder(64), Shifted(1.0)
    texts = ["the ship reached port", "a violin has four strings", "the ship was late"]
    values = []
    for encoder in (plain, shifted):
        vectors = encoder.encode_documents(texts)
        values.append(measure_scale(encoder, questions=questions).scaled(vectors @ vectors[0]))
    np.testing.assert_allclose(values[0], values[1], atol=1e-4)
    assert measure_scale(shifted, questions=questions).background > 0.5


@pytest.mark.parametrize("dim", [8, 64, 384])
def test_word_counts_are_no_evidence_of_meaning(dim):
    assert not measure_scale(HashEmbedder(dim), questions=True).meaningful


def test_vectors_that_are_not_finite_are_refused():
    with pytest.raises(InvalidArgumentError, match="vectors with NaN or infinity"):
        measure_scale(Broken(1.0), questions=True)
    with pytest.raises(InvalidArgumentError, match="vectors with NaN or infinity"):
        CosineScale(0.0, 1.0).scaled(np.array([np.nan], np.float32))

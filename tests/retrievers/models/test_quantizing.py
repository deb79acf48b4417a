"""Bi-encoders in 8-bit integers: the real default, and tiny models made on the spot."""

import numpy as np
import pytest
from lateral import RAG
from lateral.errors import InvalidArgumentError, ModelNotFoundError
from lateral.retrievers.bi_encoder import BiEncoderRetriever
from lateral.retrievers.hash_embedder import HashEmbedder
from lateral.retrievers.models import (
    DEFAULT_BI_ENCODER,
    Quantization,
    check_compute,
    find_model,
    load_bi_encoder,
    quantize_bi_encoder,
)
from lateral.retrievers.models.batching import BatchLimit
from lateral.retrievers.models.compute import choose_dtype
from lateral.retrievers.models.folder import read_layout
from lateral.retrievers.models.openvino.encoder import OpenVINOEncoder
from lateral.retrievers.models.openvino.export import MODEL, TOKENIZER, export_transformer
from lateral.retrievers.models.openvino.quantize import quantized_folder, takes_sample
from lateral.retrievers.models.openvino.runtime import OpenVINORuntime
from lateral.retrievers.models.openvino.token_batches import BatchTokenizer
from lateral.retrievers.models.openvino.vector_head import read_head
from lateral.retrievers.store import Index
from quantized_models import PASSAGES, SENTENCES, cache_with_default

PROMPTS = {"query": "question: ", "document": "passage about many things: "}
CLOSE = 0.98  # cosine to float32; measured on the passages: 0.990
PADDED = 0.999  # cosine between a text's vectors with padding and without; measured: 0.9999, by 8-bit attention 0.84
LONE = 0.99  # between the graph of one shape and that of all; measured: 0.9977, without any padding, too

quantizes = pytest.mark.slow  # each is a process that imports NNCF, and some export their model first


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache of this module's own with the default's export: no one's model in int8 is replaced."""
    folder = tmp_path_factory.mktemp("cache")
    cache_with_default(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATERAL_CACHE", str(folder))
        yield


@pytest.fixture(scope="module")
def measured(cache):
    """The default model is quantized with the passages: what was measured."""
    return quantize_bi_encoder(PASSAGES)


@pytest.fixture
def unquantized(tmp_path, monkeypatch):
    """A cache with the default's export alone."""
    cache_with_default(tmp_path / "cache")
    monkeypatch.setenv("LATERAL_CACHE", str(tmp_path / "cache"))


def int8(path=DEFAULT_BI_ENCODER):
    return load_bi_encoder(str(path), dtype="int8")


def exact(path=DEFAULT_BI_ENCODER):
    return load_bi_encoder(str(path), dtype="float32", backend="openvino")


def cosines(ours, theirs):
    return (ours * theirs).sum(axis=1)


def each_alone(encode, texts):
    return np.concatenate([encode([text]) for text in texts])


def unpadded(texts):
    """The default model's vectors in int8, each text's computed alone and without any padding."""
    modules = read_layout(find_model(DEFAULT_BI_ENCODER).path).document
    exported, head = export_transformer(modules[0]), read_head(modules)
    tokenizer = BatchTokenizer(exported / TOKENIZER, max_length=modules[0].config["max_length"], step=1)
    runtime = OpenVINORuntime(quantized_folder(exported) / MODEL, precision=choose_dtype("auto", "cpu"))
    vectors = np.zeros((len(texts), 384), np.float32)
    for batch, outputs in runtime.run(tokenizer.batches(texts, BatchLimit(texts=1, tokens=1))):
        assert batch.inputs["attention_mask"].all()
        vectors[batch.positions] = head.apply(outputs["last_hidden_state"], batch.lengths, 0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@quantizes
@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("side", ["encode_documents", "encode_queries"])
def test_vectors_are_close_to_those_of_float32_and_not_the_same(side):
    encoder = int8()
    assert isinstance(encoder, OpenVINOEncoder)
    ours, theirs = getattr(encoder, side)(PASSAGES), getattr(exact(), side)(PASSAGES)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)
    assert cosines(ours, theirs).min() > CLOSE
    assert (ours != theirs).any(axis=1).all()
    assert (ours != getattr(load_bi_encoder(backend="openvino"), side)(PASSAGES)).any(axis=1).all()


@quantizes
@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("side", ["encode_documents", "encode_queries"])
def test_padding_makes_no_difference(side):
    encode = getattr(int8(), side)
    mixed = [*SENTENCES, *PASSAGES, "tea", " ".join(PASSAGES[:8])]
    bare = unpadded(mixed)
    assert cosines(encode(mixed), bare).min() > PADDED, "among texts of other lengths"
    assert cosines(encode(SENTENCES), bare[: len(SENTENCES)]).min() > PADDED, "among texts of like length"


@quantizes
@pytest.mark.usefixtures("measured")
def test_a_text_alone_has_the_vector_that_it_has_in_company():
    encoder = int8()
    texts = [*SENTENCES, "tea", "Which birds sleep while they fly?"]
    company = encoder.encode_queries(texts)
    assert cosines(each_alone(encoder.encode_documents, texts), company).min() > PADDED
    assert cosines(each_alone(encoder.encode_queries, texts), company).min() > LONE


@quantizes
def test_what_was_measured_is_told(measured):
    assert measured.model == DEFAULT_BI_ENCODER
    assert (measured.sample, measured.measured) == (22 if takes_sample() else 0, 22), "every other one of 44 passages"
    assert measured.usual == choose_dtype("auto", "cpu")
    assert CLOSE < measured.lowest_cosine <= measured.cosine < 1
    assert 0.8 < measured.kept <= 1
    assert min(measured.query_ms, measured.usual_query_ms) > 0
    assert min(measured.texts_per_second, measured.usual_texts_per_second) > 0


@quantizes
def test_prompts_stay_and_blank_and_repeated_texts_are_left_out(tiny):
    path = tiny("prompts of the mean", pooling="mean", prompts=PROMPTS)
    found = quantize_bi_encoder([*PASSAGES, "", " \n", *PASSAGES], model=str(path))
    assert (found.sample, found.measured) == (22 if takes_sample() else 0, 22)
    ours, theirs = int8(path), exact(path)
    queries, documents = ours.encode_queries(SENTENCES), ours.encode_documents(SENTENCES)
    of_queries, of_documents = theirs.encode_queries(SENTENCES), theirs.encode_documents(SENTENCES)
    assert min(cosines(queries, of_queries).min(), cosines(documents, of_documents).min()) > CLOSE
    assert (cosines(queries, of_queries) > cosines(queries, of_documents)).all()
    assert (cosines(documents, of_documents) > cosines(documents, of_queries)).all()


@quantizes
def test_of_many_texts_some_from_all_over_are_taken(tiny):
    found = quantize_bi_encoder([f"Number {at} of many." for at in range(600)], model=str(tiny("cls")))
    assert (found.sample, found.measured) == (128 if takes_sample() else 0, 256)


@quantizes
def test_two_towers_are_both_brought_to_int8(tiny):
    path = tiny("router", router=True)
    layout = read_layout(path)
    quantize_bi_encoder(PASSAGES, model=str(path))
    made = {quantized_folder(export_transformer(modules[0])) for modules in (layout.query, layout.document)}
    assert len(made - {None}) == 2
    ours, theirs = int8(path), exact(path)
    for side in ("encode_queries", "encode_documents"):
        vectors, expected = getattr(ours, side)(SENTENCES), getattr(theirs, side)(SENTENCES)
        assert cosines(vectors, expected).min() > CLOSE
        assert (vectors != expected).any(axis=1).all()
    assert np.abs(ours.encode_queries(SENTENCES) - ours.encode_documents(SENTENCES)).max() > 0.1


@pytest.mark.parametrize(
    "texts",
    [[], PASSAGES[:39], [*PASSAGES[:39], "", "  \n", *PASSAGES[:39]], ["the same"] * 100],
    ids=["none", "too few", "blank and repeated", "one"],
)
def test_too_few_texts_are_refused(texts):
    different = len({text for text in texts if text.strip()})
    with pytest.raises(InvalidArgumentError, match=f"at least 40 different texts of the corpus, got {different}"):
        quantize_bi_encoder(texts)


@pytest.mark.parametrize("texts", ["one text", [1] * 20, [b"x"] * 20])
def test_other_than_texts_is_refused(texts):
    with pytest.raises(InvalidArgumentError, match="sequence of strings"):
        quantize_bi_encoder(texts)


@quantizes
def test_a_model_that_openvino_can_not_run_is_refused(tiny):
    path = str(tiny("last", pooling="lasttoken"))
    with pytest.raises(InvalidArgumentError, match=r"'openvino' can't serve .*: its pooling is 'lasttoken'"):
        quantize_bi_encoder(PASSAGES, model=path)
    with pytest.raises(InvalidArgumentError, match=r"'openvino' can't serve .*: its pooling is 'lasttoken'"):
        load_bi_encoder(path, dtype="int8")


def test_a_model_that_is_not_there_is_reported():
    with pytest.raises(ModelNotFoundError, match="no/such/model"):
        quantize_bi_encoder(PASSAGES, model="no/such/model", offline=True)


@pytest.mark.usefixtures("unquantized")
def test_a_model_that_was_not_quantized_says_what_to_do():
    encoder = int8()
    for encode in (encoder.encode_queries, encoder.encode_documents):
        with pytest.raises(ModelNotFoundError, match=r"not at hand in int8: .* `lateral quantize` on your index"):
            encode(["x"])


@pytest.mark.parametrize("elsewhere", [{"backend": "torch"}, {"device": "cuda"}, {"device": "mps"}])
def test_int8_is_for_openvino_on_the_cpu(elsewhere):
    with pytest.raises(InvalidArgumentError, match=r"dtype 'int8' is for OpenVINO on the CPU, .* take dtype 'auto'"):
        load_bi_encoder(dtype="int8", **elsewhere)


@quantizes
@pytest.mark.usefixtures("measured")
def test_int8_may_name_what_it_is_for():
    named = load_bi_encoder(dtype="int8", device="cpu", backend="openvino")
    np.testing.assert_array_equal(named.encode_queries(SENTENCES[:2]), int8().encode_queries(SENTENCES[:2]))


@pytest.mark.parametrize("dtype", ["auto", "float32", "bfloat16", "float16", "int8"])
def test_what_it_computes_in_is_taken_by_its_name(dtype):
    assert check_compute(dtype) == dtype
    assert check_compute(None) == "auto"


@pytest.mark.parametrize("dtype", ["int9", "INT8", "", 8, ["int8"]])
def test_other_names_are_refused(dtype):
    with pytest.raises(InvalidArgumentError, match=r"dtype must be one of auto, .* got .*'int8', too"):
        check_compute(dtype)
    with pytest.raises(InvalidArgumentError, match="dtype must be one of auto"):
        load_bi_encoder(dtype=dtype)
    with pytest.raises(InvalidArgumentError, match="dtype must be one of auto"):
        BiEncoderRetriever(dtype=dtype)


@quantizes
@pytest.mark.usefixtures("measured")
def test_what_vectors_depend_on_differs_from_that_of_other_precisions():
    told = [encoder.computation for encoder in (int8(), load_bi_encoder(backend="openvino"), exact())]
    assert None not in told
    assert told[0] not in told[1:]
    assert int8().computation == told[0]
    assert int8().space == exact().space


def stored(folder):
    """What the index holds of vectors, and how its catalog says that it is made."""
    files = {file.name: file.read_bytes() for file in (folder / "vectors").iterdir()}
    with Index(folder).read() as snapshot:
        return files, snapshot.config()


@quantizes
@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(("first", "later"), [("int8", None), (None, "int8")])
def test_an_index_made_in_one_is_searched_and_kept_in_the_other(tmp_path, first, later):
    (tmp_path / "docs").mkdir()
    for at, text in enumerate(PASSAGES[:12]):
        (tmp_path / "docs" / f"{at:02}.txt").write_text(text)
    with RAG(tmp_path / "index", retrievers=[BiEncoderRetriever(dtype=first)]) as rag:
        assert rag.add(tmp_path / "docs").added == 12
    made = stored(tmp_path / "index")
    assert [dict(it.settings) for it in made[1].retrievers] == [{"model": DEFAULT_BI_ENCODER}]
    with RAG(tmp_path / "index", retrievers=[BiEncoderRetriever(dtype=later)]) as rag:
        assert rag.add(tmp_path / "docs").unchanged == 12
        [hit] = rag.retrieve("How hot is the water for green tea?", 1)
        assert hit.node.text == PASSAGES[0]
        assert stored(tmp_path / "index") == made
    with RAG(tmp_path / "index") as rag:
        assert rag.retrieve("Which birds sleep while they fly?", 1)[0].node.text == PASSAGES[4]


def test_an_encoder_of_ones_own_has_its_own():
    retriever = BiEncoderRetriever(encoder=HashEmbedder(16), dtype="int8")
    assert isinstance(retriever.encoder, HashEmbedder)


@pytest.mark.parametrize(
    ("query_ms", "texts_per_second", "pays"),
    [(2.0, 100, True), (3.0, 120, True), (2.9, 104, False), (4.0, 80, False), (4.0, 120, True)],
)
def test_it_pays_where_queries_or_documents_are_faster(query_ms, texts_per_second, pays):
    measured = Quantization(
        model="m",
        sample=1,
        measured=1,
        usual="float32",
        cosine=1,
        lowest_cosine=1,
        kept=1,
        query_ms=query_ms,
        usual_query_ms=3.0,
        texts_per_second=texts_per_second,
        usual_texts_per_second=100,
    )
    assert measured.pays is pays

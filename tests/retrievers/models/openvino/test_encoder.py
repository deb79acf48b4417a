"""The light runtime against plain sentence-transformers: the real default, and tiny models made on the spot."""

import json
import logging
import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from lateral.errors import EncodingError, InvalidArgumentError, ModelNotFoundError
from lateral.retrievers.models import find_model, load_bi_encoder
from lateral.retrievers.models.openvino import encoder as encoder_module
from lateral.retrievers.models.openvino.encoder import LONE_BYTES, OpenVINOEncoder
from lateral.retrievers.models.openvino.runtime import OpenVINORuntime, load_openvino
from lateral.retrievers.models.sentence_transformer import SentenceTransformerEncoder
from lateral.retrievers.retriever import Encoder

pytestmark = pytest.mark.slow  # importing sentence-transformers takes 6 s, each export a process that imports it, too

TEXTS = [
    "How do ball pythons hunt?",
    "",
    "Ein Satz mit Umlauten: äöü, and some emoji 🐍.",
    "word " * 700,
    "A short one",
    *(f"Sentence number {number} about " + "the care of reptiles " * number for number in range(20)),
]
PROMPTS = {"query": "question: ", "document": "passage about reptiles: "}
TOLERANCE = 1e-4  # of a value of a unit vector, in float32; measured: 1e-6
COSINE = 0.999  # in bfloat16
POOLINGS = ("mean", "cls", "max")


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def light(path, dtype="float32"):
    return load_bi_encoder(str(path), dtype=dtype, backend="openvino")


def run(code, *arguments, **environment):
    """Returns what a fresh process prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    variables = {**os.environ, **environment}
    result = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module", autouse=True)
def exports(tmp_path_factory):
    """Tiny models are exported anew in each run; the default is exported once into the cache of the test run."""
    before = os.environ.get("LATERAL_CACHE")
    os.environ["LATERAL_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield before
    if before is None:
        del os.environ["LATERAL_CACHE"]
    else:
        os.environ["LATERAL_CACHE"] = before


@pytest.fixture
def lasting_cache(monkeypatch, exports):
    if exports is None:
        monkeypatch.delenv("LATERAL_CACHE")
    else:
        monkeypatch.setenv("LATERAL_CACHE", exports)


SHAPES = [  # pooling, what is behind it, prompts
    *(
        (pooling, behind, "prompts")
        for pooling in POOLINGS
        for behind in ("", "normalize", "tanh", "linear, normalize")
    ),
    *((pooling, "normalize", "prompts not pooled") for pooling in POOLINGS),
    (("cls", "mean"), "tanh", ""),
]


@pytest.mark.parametrize(("pooling", "behind", "prompted"), SHAPES)
def test_every_shape_it_knows_equals_plain_sentence_transformers(library, plain, tiny, pooling, behind, prompted):
    modules, width = library.modules, 32 if isinstance(pooling, str) else 64
    library.torch.manual_seed(1)
    linear = modules.Dense(width, 16, bias=False, activation_function=library.torch.nn.Identity())
    steps = {
        "": [],
        "normalize": [modules.Normalize()],
        "tanh": [modules.Dense(width, 16)],
        "linear, normalize": [linear, modules.Normalize()],
    }[behind]
    name = f"light {pooling} {behind} {prompted}"
    asides = {"prompts": PROMPTS if prompted else None, "include_prompt": prompted != "prompts not pooled"}
    path = tiny(name, pooling=pooling, behind=steps, **asides)
    reference, exact = plain(path), light(path)
    assert isinstance(exact, OpenVINOEncoder)
    assert exact.space.dim == reference.get_embedding_dimension()
    for encode, reference_encode in (
        (exact.encode_documents, reference.encode_document),
        (exact.encode_queries, reference.encode_query),
    ):
        np.testing.assert_allclose(
            encode(TEXTS), unit(reference_encode(TEXTS, show_progress_bar=False)), atol=TOLERANCE
        )


@pytest.mark.parametrize("pooling", POOLINGS)
def test_bfloat16_stays_close_to_float32(tiny, pooling):
    path = tiny(pooling, pooling=pooling)
    for _ in range(2):  # whichever precision was compiled before
        cosines = (light(path, "bfloat16").encode_documents(TEXTS) * light(path).encode_documents(TEXTS)).sum(axis=1)
        assert cosines.min() > COSINE


def test_default_equals_plain_sentence_transformers(plain, lasting_cache):
    exact, automatic = load_bi_encoder(dtype="float32"), load_bi_encoder()
    assert isinstance(exact, Encoder)
    assert isinstance(automatic, OpenVINOEncoder)
    reference = plain(exact.folder.path)
    ours, theirs = exact.encode_documents(TEXTS), reference.encode_document(TEXTS, show_progress_bar=False)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, unit(theirs), atol=TOLERANCE)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)
    assert (automatic.encode_documents(TEXTS) * ours).sum(axis=1).min() > COSINE


def test_space_and_token_counts_are_those_of_torch(tiny):
    path = tiny("long prompts", prompts=PROMPTS)
    ours, theirs = light(path), load_bi_encoder(str(path), backend="torch")
    assert ours.space == theirs.space
    assert ours.max_tokens == theirs.max_tokens
    assert ours.count_tokens(TEXTS) == theirs.count_tokens(TEXTS)


def test_two_towers_encode_each_side_by_its_own(plain, tiny):
    path = tiny("router", router=True)
    encoder, reference = light(path), plain(path)
    queries, documents = encoder.encode_queries(TEXTS), encoder.encode_documents(TEXTS)
    theirs = reference.encode_query(TEXTS, show_progress_bar=False)
    np.testing.assert_allclose(queries, unit(theirs), atol=TOLERANCE)
    theirs = reference.encode_document(TEXTS, show_progress_bar=False)
    np.testing.assert_allclose(documents, unit(theirs), atol=TOLERANCE)
    assert np.abs(queries - documents).max() > 0.1


def test_vectors_cut_to_a_dimension_are_cut_before_they_are_normalised(library, tiny):
    path = tiny("cut", pooling="mean")
    model = library.SentenceTransformer(str(path), device="cpu", truncate_dim=8)
    model.save_pretrained(str(path))
    theirs = unit(model.encode_document(TEXTS, show_progress_bar=False))
    ours = light(path).encode_documents(TEXTS)
    assert ours.shape == (len(TEXTS), 8)
    np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


def test_a_text_has_the_same_vector_in_any_company(tiny):
    encoder = light(tiny("cls"))
    alone = np.concatenate([encoder.encode_documents([text]) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), alone, atol=TOLERANCE)
    many = encoder.encode_documents(TEXTS * 50)  # more than one window of texts
    np.testing.assert_allclose(many, np.tile(alone, (50, 1)), atol=TOLERANCE)


SCALES = """
import sys
from lateral.retrievers.models import load_bi_encoder
from lateral.retrievers.scale import measure_scale
encoder = load_bi_encoder(sys.argv[1], backend="openvino", dtype=sys.argv[2])
print(*(repr(measure_scale(encoder, questions=questions)) for questions in (True, False)), sep="\\n")
print(sorted(encoder._towers), {"torch", "sentence_transformers"} & set(sys.modules))
"""


@pytest.mark.slow
def test_what_was_measured_of_a_model_serves_later_processes(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("LATERAL_CACHE", str(tmp_path / "cache"))
    first, later = (run(SCALES, tiny("cls"), "float32").splitlines() for _ in range(2))
    assert first[:2] == later[:2]
    assert first[2] == "['document', 'query'] set()"
    assert later[2] == "['query'] set()", "documents need not be encoded"
    shutil.rmtree(tmp_path / "cache" / "scales")
    assert run(SCALES, tiny("cls"), "float32").splitlines() == first


def test_what_vectors_depend_on_is_told_unless_torch_may_encode(tiny):
    told = {light(tiny("cls"), precision).computation for precision in ("float32", "bfloat16")}
    assert len(told) == 2
    assert light(tiny("cls"), "float32").computation in told
    assert light(tiny("router", router=True)).computation is None


def test_the_log_names_the_precision_that_is_computed_in(tiny, caplog):
    encoder = light(tiny("cls"), "bfloat16")
    with caplog.at_level(logging.INFO, logger="lateral"):
        encoder.encode_queries(["x"])
    has_bfloat16 = "BF16" in load_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert f": cpu, {'bfloat16' if has_bfloat16 else 'float32'}, local folder, OpenVINO" in caplog.text


def test_an_open_model_outlives_its_export(tiny, tmp_path, monkeypatch):
    expected = light(tiny("cls")).encode_queries(["word " * 40])
    shutil.copytree(os.environ["LATERAL_CACHE"], tmp_path / "cache")
    monkeypatch.setenv("LATERAL_CACHE", str(tmp_path / "cache"))
    encoder = light(tiny("cls"))
    encoder.encode_queries(["short"])
    told = encoder.computation
    shutil.rmtree(tmp_path / "cache")
    np.testing.assert_array_equal(encoder.encode_queries(["word " * 40]), expected)
    assert encoder.computation == told


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_first_query_is_encoded_by_what_another_process_compiled(tiny, dtype, monkeypatch):
    expected = light(tiny("cls"), dtype).encode_queries(["a query"])
    monkeypatch.setattr(OpenVINORuntime, "_made", None)
    np.testing.assert_array_equal(light(tiny("cls"), dtype).encode_queries(["a query"]), expected)


def test_nothing_to_encode_exports_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("LATERAL_CACHE", str(tmp_path / "cache"))
    assert load_bi_encoder(backend="openvino").encode_documents([]).shape == (0, 384)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("texts", ["text", [1], [b"x"]])
def test_other_than_texts_is_refused(texts):
    with pytest.raises(InvalidArgumentError, match="sequence of strings"):
        load_bi_encoder(backend="openvino").encode_documents(texts)


def test_halves_of_surrogate_pairs_are_read_as_replacement_characters(tiny):
    encoder = light(tiny("long prompts", prompts=PROMPTS))
    broken, whole = ["a \ud800 b", "\udfff"], ["a \ufffd b", "\ufffd"]
    np.testing.assert_array_equal(encoder.encode_documents(broken), encoder.encode_documents(whole))
    np.testing.assert_array_equal(encoder.encode_queries(broken), encoder.encode_queries(whole))


def test_zero_vector_stays_zero(library, tiny):
    dense = library.modules.Dense(32, 4, bias=False, activation_function=library.torch.nn.Identity())
    dense.linear.weight.data.zero_()
    assert not light(tiny("zero", behind=[dense])).encode_documents(["x", "y"]).any()


def test_layer_that_gives_nan_is_reported(library, tiny):
    dense = library.modules.Dense(32, 4)
    dense.linear.weight.data.fill_(float("nan"))
    with pytest.raises(EncodingError, match="NaN or infinity for text 0: try dtype='float32'"):
        light(tiny("nan layer", behind=[dense])).encode_documents(["x"])


def test_threads_start_it_once_and_get_the_same_vectors(tiny, caplog):
    encoder = light(tiny("cls"))
    results = {}
    with caplog.at_level(logging.INFO, logger="lateral"):
        threads = [
            threading.Thread(target=lambda i=i: results.update({i: encoder.encode_documents(TEXTS)})) for i in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("lateral")]
    assert messages[-1:] == [f"bi-encoder {encoder.folder.name}: cpu, float32, local folder, OpenVINO"]
    assert sum("OpenVINO" in message and "exporting" not in message for message in messages) == 1
    assert len(results) == 4
    assert all(np.array_equal(results[0], vectors) for vectors in results.values())


def test_unknown_pooling_is_refused_by_name_and_left_to_torch_otherwise(tiny, caplog):
    path = tiny("last", pooling="lasttoken")
    with pytest.raises(InvalidArgumentError, match=r"backend 'openvino' can't serve .*: its pooling is 'lasttoken'"):
        light(path)
    with caplog.at_level(logging.WARNING, logger="lateral"):
        encoder = load_bi_encoder(str(path))
    assert isinstance(encoder, SentenceTransformerEncoder)
    assert "sentence-transformers runs it, as OpenVINO can't: its pooling is 'lasttoken'" in caplog.text


def test_model_that_can_not_be_exported_is_encoded_by_torch_and_one_line_says_so(tiny, caplog):
    path = tiny("left", seed=5)
    settings = json.loads((path / "tokenizer_config.json").read_text())
    (path / "tokenizer_config.json").write_text(json.dumps({**settings, "padding_side": "left"}))
    encoder = load_bi_encoder(str(path), dtype="float32")
    assert isinstance(encoder, OpenVINOEncoder)
    for _ in range(2):
        vectors = encoder.encode_documents(TEXTS)
    expected = load_bi_encoder(str(path), dtype="float32", backend="torch").encode_documents(TEXTS)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    [record] = [it for it in caplog.records if it.levelno >= logging.WARNING and it.name.startswith("lateral")]
    assert "sentence-transformers encodes, as" in record.getMessage()
    assert "can't be exported to OpenVINO: its tokenizer pads or cuts on the left" in record.getMessage()


def test_a_graph_that_can_not_be_compiled_leaves_encoding_to_torch(tiny, caplog, monkeypatch):
    def refuse(self, lone_length):
        raise ModelNotFoundError(f"no graph of {lone_length} tokens")

    monkeypatch.setattr(OpenVINORuntime, "_compile", refuse)
    encoder = load_bi_encoder(str(tiny("cls")), dtype="float32")
    for _ in range(2):
        vectors = encoder.encode_queries(TEXTS[:1])
    expected = load_bi_encoder(str(tiny("cls")), dtype="float32", backend="torch").encode_queries(TEXTS[:1])
    np.testing.assert_array_equal(vectors, expected)
    [record] = [it for it in caplog.records if it.levelno >= logging.WARNING and it.name.startswith("lateral")]
    assert "sentence-transformers encodes, as no graph of 16 tokens" in record.getMessage()
    assert encoder.computation is None
    with pytest.raises(ModelNotFoundError, match="no graph of 16 tokens"):
        light(tiny("cls")).encode_queries(["x"])


def test_a_large_model_has_one_graph_for_all_queries(tiny, compiled, monkeypatch):
    for limit, graphs in ((LONE_BYTES, [16, 24, 32, None]), (0, [None])):
        monkeypatch.setattr(encoder_module, "LONE_BYTES", limit)
        encoder = light(tiny("cls"))
        for words in (0, 1, 20, 3, 28, 33, 50):
            encoder.encode_queries(["word " * words])
        assert compiled == graphs
        compiled.clear()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_query_of_any_length_is_encoded_as_by_sentence_transformers(tiny, plain, pooling):
    path = tiny(pooling, pooling=pooling)
    encoder, peer = light(path), plain(path)
    for words in (0, 1, 13, 14, 15, 22, 23, 29, 30, 31, 38, 70):
        query = "word " * words
        expected = unit(peer.encode_query([query], show_progress_bar=False))
        np.testing.assert_allclose(encoder.encode_queries([query]), expected, atol=TOLERANCE)


def test_search_with_an_exported_model_loads_no_heavy_library(tmp_path, lasting_cache):
    load_bi_encoder().encode_queries(["exports the model"])
    (tmp_path / "honey.txt").write_text("Bees make honey from nectar. It keeps for years in a closed jar.")
    code = """
import sys
from lateral.tools.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
heavy = {"torch", "transformers", "sentence_transformers", "chromadb", "optimum", "nncf", "openvino_telemetry"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    index = ["--index", tmp_path / "index"]
    run(code, "add", tmp_path / "honey.txt", *index)
    assert "honey.txt" in run(code, "search", "What do bees make?", *index)


def test_encoding_prints_nothing(lasting_cache):
    code = """
from lateral.retrievers.models import load_bi_encoder
load_bi_encoder().encode_queries(["x"])
"""
    assert run(code) == ""


def test_folder_is_that_of_the_model(tiny):
    assert light(tiny("cls")).folder == find_model(str(tiny("cls")))

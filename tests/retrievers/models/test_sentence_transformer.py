"""The encoder against plain sentence-transformers, with the real default and with tiny models made on the spot."""

import json
import logging
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from lateral.errors import EncodingError, InvalidArgumentError, ModelNotFoundError
from lateral.retrievers.models import find_model, load_bi_encoder
from lateral.retrievers.models.sentence_transformer import SentenceTransformerEncoder
from lateral.retrievers.retriever import Encoder

pytestmark = pytest.mark.slow  # importing sentence-transformers takes 6 s

TEXTS = [
    "How do ball pythons hunt?",
    "",
    "Ein Satz mit Umlauten: äöü, and some emoji 🐍.",
    "word " * 700,
    "A short one",
    *(f"Sentence number {number} about " + "the care of reptiles " * number for number in range(20)),
]
PROMPTS = {"query": "question: ", "document": "passage: "}


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def default():
    return load_bi_encoder(backend="torch")


@pytest.fixture(scope="module")
def exact():
    return load_bi_encoder(dtype="float32", device="cpu", backend="torch")


def load(path, dtype="float32"):
    return load_bi_encoder(str(path), device="cpu", dtype=dtype, backend="torch")


def test_float32_equals_plain_sentence_transformers(plain, exact):
    reference = plain(exact.folder.path)
    assert isinstance(exact, Encoder)
    for ours, theirs in (
        (exact.encode_documents(TEXTS), reference.encode_document(TEXTS, show_progress_bar=False)),
        (exact.encode_queries(TEXTS), reference.encode_query(TEXTS, show_progress_bar=False)),
    ):
        assert ours.shape == (len(TEXTS), 384)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, unit(theirs), atol=2e-6)
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)


def test_automatic_precision_stays_close_to_float32(default, exact):
    cosines = (default.encode_documents(TEXTS) * exact.encode_documents(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.995


def test_default_knows_what_is_near(default):
    documents = default.encode_documents(
        ["Feeding and housing of ball pythons", "Lists and loops in Python, the language"]
    )
    query = default.encode_queries(["What does a pet snake eat?"])[0]
    assert documents[0] @ query > documents[1] @ query


def test_token_counts_equal_the_model_and_nothing_is_cut(plain, exact):
    reference = plain(exact.folder.path).tokenizer
    texts = [*TEXTS, "\tTabs\u00a0and\u3000spaces", "東京タワー", "Ünïcödé" * 20, "[SEP] x"]
    counted = [len(ids) for ids in reference(texts, add_special_tokens=False, truncation=False)["input_ids"]]
    assert exact.count_tokens(texts) == counted
    assert exact.max_tokens == 254
    assert exact.count_tokens([]) == []


def test_text_beyond_the_limit_is_cut_exactly_there(exact):
    words = ["a"] * 254
    assert exact.count_tokens([" ".join(words)]) == [254]
    whole, longer, shorter = exact.encode_documents([" ".join(each) for each in (words, [*words, "snake"], words[:-1])])
    np.testing.assert_allclose(whole, longer, atol=1e-6)
    assert np.abs(whole - shorter).max() > 1e-5


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", ["cls", "mean and cls", "dense", "prompts", "normalize"])
def test_other_shapes_of_model_equal_plain_sentence_transformers(library, plain, tiny, shape, dtype):
    modules = library.modules
    path = {
        "cls": lambda: tiny("cls"),
        "mean and cls": lambda: tiny("both", pooling=("cls", "mean")),
        "dense": lambda: tiny("dense", behind=[modules.Dense(32, 16)]),
        "prompts": lambda: tiny("prompts", prompts=PROMPTS),
        "normalize": lambda: tiny("normalize", behind=[modules.Normalize()]),
    }[shape]()
    encoder, reference = load(path, dtype), plain(path)
    assert encoder.space.dim == reference.get_embedding_dimension()
    for ours, theirs in (
        (encoder.encode_documents(TEXTS), reference.encode_document(TEXTS, show_progress_bar=False)),
        (encoder.encode_queries(TEXTS), reference.encode_query(TEXTS, show_progress_bar=False)),
    ):
        np.testing.assert_allclose(ours, unit(theirs), atol=2e-6 if dtype == "float32" else 0.05)


def test_prompts_change_each_side_and_the_fingerprint(tiny):
    bare, prompted = load(tiny("cls")), load(tiny("prompts", prompts=PROMPTS))
    assert bare.space.fingerprint != prompted.space.fingerprint
    np.testing.assert_allclose(bare.encode_queries(["question: x"]), prompted.encode_queries(["x"]), atol=1e-6)
    np.testing.assert_allclose(bare.encode_documents(["passage: x"]), prompted.encode_documents(["x"]), atol=1e-6)
    assert np.abs(bare.encode_queries(["x"]) - prompted.encode_queries(["x"])).max() > 1e-3
    assert (bare.max_tokens, prompted.max_tokens) == (62, 60)  # of 64: two special tokens, two of the prompt


def test_two_towers_encode_each_side_by_its_own(plain, tiny):
    path = tiny("router", router=True)
    encoder, reference = load(path), plain(path)
    queries, documents = encoder.encode_queries(TEXTS), encoder.encode_documents(TEXTS)
    np.testing.assert_allclose(queries, unit(reference.encode_query(TEXTS, show_progress_bar=False)), atol=2e-6)
    np.testing.assert_allclose(documents, unit(reference.encode_document(TEXTS, show_progress_bar=False)), atol=2e-6)
    assert np.abs(queries - documents).max() > 0.1
    assert encoder.max_tokens == 62


def test_other_weights_make_another_space(tiny):
    spaces = [load(tiny("cls")).space, load(tiny("cls1", seed=1)).space, load(tiny("mean", pooling="mean")).space]
    assert len({space.fingerprint for space in spaces}) == 3


def test_zero_vector_stays_zero(library, tiny):
    dense = library.modules.Dense(32, 4, bias=False, activation_function=library.torch.nn.Identity())
    dense.linear.weight.data.zero_()
    assert not load(tiny("zero", behind=[dense])).encode_documents(["x", "y"]).any()


def test_model_that_gives_nan_is_reported(tiny):
    def damage(transformer):
        transformer.model.embeddings.word_embeddings.weight.data.fill_(float("nan"))

    with pytest.raises(EncodingError, match="NaN or infinity for text 0: try dtype='float32'"):
        load(tiny("nan", seed=7, change=damage)).encode_documents(["x"])


def test_nothing_to_encode_loads_nothing():
    encoder = load_bi_encoder(backend="torch")
    assert encoder.encode_documents([]).shape == (0, 384)
    assert encoder._model is None


@pytest.mark.parametrize("texts", ["text", [1], [b"x"]])
def test_other_than_texts_is_refused(default, texts):
    with pytest.raises(InvalidArgumentError, match="sequence of strings"):
        default.encode_documents(texts)


def test_threads_load_the_model_once_and_get_the_same_vectors(tiny, caplog):
    encoder = load(tiny("cls"))
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
    assert messages == [f"bi-encoder {encoder.folder.name}: cpu, float32, local folder"]
    assert all(np.array_equal(results[0], vectors) for vectors in results.values())


def test_files_that_can_not_be_loaded_are_reported(tiny):
    path = tiny("broken", seed=3)
    (path / "model.safetensors").write_bytes((6).to_bytes(8, "little") + b"nojson")
    with pytest.raises(ModelNotFoundError, match=r"holds a model that can't be loaded: [^(]*$"):
        load(path).encode_documents(["x"])
    elsewhere = load_bi_encoder(str(path), device="meta", dtype="float32", backend="torch")  # a device that is none
    with pytest.raises(ModelNotFoundError, match=r"on meta; if the model is not at fault, .*CUDA_VISIBLE_DEVICES="):
        elsewhere.encode_documents(["x"])


def test_a_batch_that_memory_does_not_hold_is_computed_in_parts(library, tiny):
    encoder = load(tiny("cls"))
    whole = encoder.encode_documents(TEXTS)
    sizes = []

    def hold_three(_, arguments):
        sizes.append(len(arguments[0]["input_ids"]))
        if sizes[-1] > 3:
            raise library.torch.OutOfMemoryError("CUDA out of memory.")

    encoder._model.register_forward_pre_hook(hold_three)
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), whole, atol=1e-6)
    assert max(sizes) > 3
    assert sum(size for size in sizes if size <= 3) == len(TEXTS)


def test_a_text_that_memory_does_not_hold_alone_is_an_error(library, tiny):
    encoder = load(tiny("cls"))
    encoder.encode_documents(["loads the model"])

    def hold_none(*_):
        raise library.torch.OutOfMemoryError("CUDA out of memory.")

    encoder._model.register_forward_pre_hook(hold_none)
    with pytest.raises(EncodingError, match=r"no room for a single text .CUDA out of memory"):
        encoder.encode_documents(["one", "two"])


def test_a_query_gets_in_between_the_batches_of_documents(tiny):
    encoder = load(tiny("cls"))
    encoder.encode_queries(["loads the model"])
    batches, started = [], threading.Event()

    def slow(*_):
        batches.append(threading.current_thread())
        started.set()
        time.sleep(0.05)

    hook = encoder._model.register_forward_pre_hook(slow)
    indexing = threading.Thread(target=lambda: encoder.encode_documents(["text"] * 320))
    indexing.start()
    started.wait()
    encoder.encode_queries(["How long must I wait?"])
    before = len(batches)
    indexing.join()
    hook.remove()
    assert len(batches) == 21  # 20 of documents
    assert before <= 4


def test_halves_of_surrogate_pairs_are_read_as_replacement_characters(tiny):
    encoder = load(tiny("cls"))
    broken, plain = ["a \ud800 b", "\udfff"], ["a \ufffd b", "\ufffd"]
    assert encoder.count_tokens(broken) == encoder.count_tokens(plain)
    for texts in (broken, broken[:1]):
        np.testing.assert_array_equal(encoder.encode_documents(texts), encoder.encode_documents(plain[: len(texts)]))
        np.testing.assert_array_equal(encoder.encode_queries(texts), encoder.encode_queries(plain[: len(texts)]))


def test_a_damaged_tokenizer_is_reported(tiny):
    path = tiny("no tokenizer", seed=3)
    (path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelNotFoundError, match=r"tokenizer\.json can't be read"):
        load(path).count_tokens(["x"])


def test_encoders_that_load_at_once_print_nothing():
    code = """
import threading
from lateral.retrievers.models import load_bi_encoder
encoders = [load_bi_encoder(backend="torch") for _ in range(4)]
threads = [threading.Thread(target=encoder.encode_queries, args=(["x"],)) for encoder in encoders]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert result.stdout + result.stderr == ""


def test_unknown_device_is_refused_at_first_use(tiny):
    encoder = SentenceTransformerEncoder(find_model(str(tiny("cls"))), device="cuda:99")
    with pytest.raises(InvalidArgumentError, match="device must be one"):
        encoder.encode_documents(["x"])


def test_space_and_tokens_need_no_torch_and_loading_prints_nothing():
    code = """
import sys
from lateral.retrievers.models import load_bi_encoder
encoder = load_bi_encoder(backend="torch")
assert encoder.space.dim == 384 and encoder.max_tokens == 254 and encoder.count_tokens(["two words"]) == [2]
assert not {"torch", "transformers", "sentence_transformers", "huggingface_hub.hf_api"} & set(sys.modules)
encoder.encode_queries(["x"])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert result.stdout + result.stderr == ""


def test_a_limit_beyond_the_models_positions_is_named(tiny, tmp_path):
    path = shutil.copytree(tiny("cls"), tmp_path / "long")
    settings = json.loads((path / "sentence_bert_config.json").read_text())
    (path / "sentence_bert_config.json").write_text(json.dumps({**settings, "max_seq_length": 300}))
    with pytest.raises(EncodingError, match=r"can't encode texts of up to 28\d tokens: .*must match the size"):
        load(path).encode_documents(["word " * 280, "word"])


def test_a_device_may_be_torchs_own(library, tiny):
    encoder = load_bi_encoder(str(tiny("cls")), device=library.torch.device("cpu"), dtype="float32", backend="torch")
    np.testing.assert_array_equal(encoder.encode_queries(["x"]), load(tiny("cls")).encode_queries(["x"]))

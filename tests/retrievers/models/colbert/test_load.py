"""ColBERT encoders: every backend against the others and against the plain libraries, token by token."""

import json
import logging
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from colbert_checkpoints import minilm_checkpoint, multi_vector_checkpoint, pylate_checkpoint, tiny_checkpoint
from lateral.errors import EncodingError, InvalidArgumentError, ModelNotFoundError
from lateral.retrievers.models.colbert import load_colbert
from lateral.retrievers.models.colbert.cures import import_ragatouille, nothing_compiled
from lateral.retrievers.models.cures import cure_torchvision
from lateral.retrievers.retriever import TokenEncoder

pytestmark = pytest.mark.slow  # importing ragatouille or sentence-transformers takes 6 s

BACKENDS = ["ragatouille", "sentence-transformers"]
TEXTS = [
    "How do ball pythons hunt?",
    "",
    "... !?",
    "Ein Satz mit Umlauten: äöü, and some emoji 🐍.",
    "a [PAD] b [SEP] c [unused1] d [MASK]",
    "word " * 10_000,
    *(f"Sentence {number}: " + "the care of reptiles, " * number for number in range(12)),
]
LETTERS = [text for text in TEXTS if "[PAD]" not in text]  # with [PAD] the library pads by what stands beside it


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("colbert")


@pytest.fixture(scope="module")
def minilm(root):
    return minilm_checkpoint(root)


@pytest.fixture(scope="module")
def tiny(root):
    return tiny_checkpoint(root / "tiny")


@pytest.fixture(scope="module")
def exact(minilm):
    """The checkpoint with semantics by both backends, in float32."""
    return {backend: load(minilm, backend) for backend in BACKENDS}


def load(path, backend, dtype="float32", device="cpu"):
    return load_colbert(str(path), backend=backend, device=device, dtype=dtype, offline=True)


def encode(encoder, side, texts):
    return encoder.encode_queries(texts) if side == "query" else encoder.encode_documents(texts)


def assert_same(ours, theirs, atol):
    assert len(ours) == len(theirs)
    for left, right in zip(ours, theirs, strict=True):
        assert left.shape == right.shape
        np.testing.assert_allclose(left, right, atol=atol)


@pytest.mark.parametrize("side", ["query", "document"])
def test_both_backends_give_the_same_vectors_token_by_token(exact, side):
    first, second = (exact[backend] for backend in BACKENDS)
    assert isinstance(first, TokenEncoder)
    assert first.space == second.space
    ours = encode(first, side, TEXTS)
    assert_same(ours, encode(second, side, TEXTS), atol=1e-4)
    for text, matrix in zip(TEXTS, ours, strict=True):
        assert matrix.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-5)
        assert len(first.tokens(text, side)) == len(second.tokens(text, side)) == len(matrix)


def test_equal_to_ragatouille_with_its_own_tokens(minilm, exact):
    ragatouille = import_ragatouille()
    with nothing_compiled(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ragatouille.RAGPretrainedModel.from_pretrained(str(minilm), verbose=0)
        checkpoint = model.model.inference_ckpt
        documents = [checkpoint.docFromText([text], keep_dims=False)[0].numpy() for text in TEXTS]
        queries = checkpoint.queryFromText(TEXTS, bsize=8, to_cpu=True).numpy()
    assert_same(exact["ragatouille"].encode_documents(TEXTS), documents, atol=1e-5)
    assert_same(exact["ragatouille"].encode_queries(TEXTS), list(queries), atol=1e-5)


@pytest.mark.parametrize("kind", ["fixed", "attended", "min", "none", "pylate", "pylate without filling"])
def test_equal_to_multi_vector_encoder_with_its_own_tokens(root, kind):
    folder = root / kind
    prompts = {"query": "question: ", "document": "passage: "}
    if kind.startswith("pylate"):
        pylate_checkpoint(folder, do_query_expansion=kind == "pylate", skiplist_words=["the", "."])
    else:
        length = {"length": 24, "attend": kind == "attended", "strategy": "min" if kind == "min" else "fixed"}
        multi_vector_checkpoint(folder, expansion=None if kind == "none" else length, skip=["."], prompts=prompts)
    encoder = load(folder, "auto")
    cure_torchvision()
    from sentence_transformers import MultiVectorEncoder

    library = MultiVectorEncoder(str(folder), device="cpu", local_files_only=True)
    assert_same(encoder.encode_documents(LETTERS), library.encode_document(LETTERS, convert_to_numpy=True), atol=1e-5)
    assert_same(encoder.encode_queries(LETTERS), library.encode_query(LETTERS, convert_to_numpy=True), atol=1e-5)


@pytest.mark.parametrize("settings", [{"mask_punctuation": False}, {"attend_to_mask_tokens": True}])
def test_settings_of_the_checkpoint_are_followed_by_both_backends(root, tiny, settings):
    folder = tiny_checkpoint(root / next(iter(settings)), **settings)
    first, second = (load(folder, backend) for backend in BACKENDS)
    plain = load(tiny, "ragatouille")
    texts = ["Snakes, lizards.", "a tortoise"]
    assert_same(first.encode_documents(texts), second.encode_documents(texts), atol=1e-5)
    assert_same(first.encode_queries(texts), second.encode_queries(texts), atol=1e-5)
    if "mask_punctuation" in settings:
        assert len(first.encode_documents(texts)[0]) == len(plain.encode_documents(texts)[0]) + 2
    else:
        assert np.abs(first.encode_queries(texts)[0] - plain.encode_queries(texts)[0]).max() > 1e-3


@pytest.mark.parametrize("backend", BACKENDS)
def test_texts_without_a_word_have_the_rows_of_their_special_tokens(tiny, backend):
    encoder = load(tiny, backend)
    assert encoder.encode_documents([]) == encoder.encode_queries([]) == []
    assert [matrix.shape for matrix in encoder.encode_documents(["", "?!.,"])] == [(3, 16), (3, 16)]
    assert [matrix.shape for matrix in encoder.encode_queries(["", "?!.,", "x"])] == [(16, 16)] * 3
    assert encoder.tokens("?!", "document") == ["[CLS]", "[unused1]", "[SEP]"]
    assert encoder.tokens("?!", "query") == ["[CLS]", "[unused0]", "?", "!", "[SEP]"] + ["[MASK]"] * 11
    assert {"[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]"} <= encoder.special_tokens
    assert encoder.count_tokens(["", "?!", "two words"]) == [0, 2, 2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_texts_beyond_the_limit_are_cut_exactly_there_and_counted(tiny, backend):
    encoder = load(tiny, backend)
    assert encoder.max_tokens == 61  # of 64: [CLS], [unused1], [SEP]
    assert encoder.count_tokens(["word " * 10_000]) == [10_000]
    words = ["a"] * 61
    whole, longer, shorter = encoder.encode_documents(
        [" ".join(text) for text in (words, [*words, "snake"], words[1:])]
    )
    assert len(whole) == len(longer) == 64
    assert len(shorter) == 63
    np.testing.assert_allclose(whole, longer, atol=1e-6)
    full, beyond = encoder.encode_queries(["a " * 13, "a " * 10_000])  # 13 of 16
    np.testing.assert_allclose(full, beyond, atol=1e-6)
    assert len(beyond) == 16


@pytest.mark.parametrize("backend", BACKENDS)
def test_halves_of_surrogate_pairs_are_read_as_replacement_characters(tiny, backend):
    encoder = load(tiny, backend)
    broken, plain = ["a \ud800 b", "\udfff"], ["a \ufffd b", "\ufffd"]
    assert encoder.count_tokens(broken) == encoder.count_tokens(plain)
    assert encoder.tokens(broken[0], "query") == encoder.tokens(plain[0], "query")
    for side in ("query", "document"):
        assert_same(encode(encoder, side, broken), encode(encoder, side, plain), atol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_stands_beside_a_text_does_not_change_its_vectors(tiny, backend):
    encoder = load(tiny, backend)
    together = encoder.encode_documents(TEXTS)
    assert_same(together, [encoder.encode_documents([text])[0] for text in TEXTS], atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("texts", ["text", [1], [b"x"]])
def test_other_than_texts_is_refused(tiny, backend, texts):
    encoder = load(tiny, backend)
    for call in (encoder.encode_documents, encoder.encode_queries, encoder.count_tokens):
        with pytest.raises(InvalidArgumentError, match="sequence of strings"):
            call(texts)


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_load_the_checkpoint_once_and_get_the_same_vectors(tiny, backend, caplog):
    encoder = load(tiny, backend)
    results = {}
    with caplog.at_level(logging.INFO, logger="lateral"):
        threads = [
            threading.Thread(target=lambda at=at: results.update({at: encoder.encode_documents(TEXTS)}))
            for at in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("lateral")]
    assert encoder.calls_at_once == (2 if backend == "openvino" else 1)
    assert messages == [f"ColBERT {encoder.folder.name}: {backend}, cpu, float32, local folder"]
    for at in range(1, 4):
        assert_same(results[0], results[at], atol=0)


@pytest.mark.parametrize("kind", ["tiny", "pylate"])
def test_openvino_gives_the_same_vectors(root, tiny, kind):
    folder = tiny if kind == "tiny" else pylate_checkpoint(root / "pylate for openvino")
    reference = load(folder, "sentence-transformers")
    encoder = load(folder, "openvino")
    assert encoder.space == reference.space
    for side in ("query", "document"):
        assert_same(encode(encoder, side, TEXTS), encode(reference, side, TEXTS), atol=1e-4)


@pytest.mark.parametrize("words", [1, 12, 13, 14, 29, 61, 200])
def test_openvino_gives_the_same_vectors_at_lengths_around_a_step(tiny, words):
    texts = [" ".join(["a", "snake"][at % 2] for at in range(words)), "a"]
    ours, theirs = (load(tiny, backend).encode_documents(texts) for backend in ("openvino", "sentence-transformers"))
    assert_same(ours, theirs, atol=1e-4)
    assert len(ours[0]) == min(words + 3, 64)


def test_openvino_needs_no_torch_once_it_has_exported(tiny):
    load(tiny, "openvino").encode_queries(["exports"])
    code = f"""
import sys
from lateral.retrievers.models.colbert import load_colbert
encoder = load_colbert({str(tiny)!r}, backend="openvino", dtype="float32")
assert encoder.encode_queries(["x"])[0].shape[1] == 16
assert not {{"torch", "transformers", "sentence_transformers", "ragatouille"}} & set(sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"), [({"device": "cuda"}, "on the CPU only"), ({"dtype": "float16"}, "float32 or")]
)
def test_openvino_refuses_what_it_can_not_serve(tiny, arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        load_colbert(str(tiny), backend="openvino", **arguments)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sixteen_bits_stay_close_to_float32(minilm, exact, backend):
    rough = load(minilm, backend, dtype="bfloat16").encode_documents(TEXTS[:4])
    for left, right in zip(rough, exact[backend].encode_documents(TEXTS[:4]), strict=True):
        assert (left * right).sum(axis=1).min() > 0.99
        np.testing.assert_allclose(np.linalg.norm(left, axis=1), 1, atol=1e-5)


def test_the_checkpoint_with_semantics_knows_what_is_near(exact):
    encoder = exact["ragatouille"]
    near, far = encoder.encode_documents(
        ["Feeding and housing of ball pythons in captivity", "Lists and loops in Python, the programming language"]
    )
    query = encoder.encode_queries(["What does a pet snake eat?"])[0]
    assert (query @ near.T).max(axis=1).sum() > (query @ far.T).max(axis=1).sum()


@pytest.mark.parametrize("backend", BACKENDS)
def test_model_that_gives_nan_is_reported(root, backend):
    from safetensors.torch import load_file, save_file

    folder = root / f"nan {backend}"
    tiny_checkpoint(folder)
    weights = load_file(folder / "model.safetensors")
    weights["bert.embeddings.word_embeddings.weight"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncodingError, match="NaN or infinity for text 0: try dtype='float32'"):
        load(folder, backend).encode_documents(["x"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_that_the_files_lack_are_not_made_up(root, backend):
    from safetensors.torch import load_file, save_file

    folder = root / f"half {backend}"
    tiny_checkpoint(folder)
    weights = load_file(folder / "model.safetensors")
    del weights["bert.encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ModelNotFoundError, match=r"is incomplete: .*1 of the model's: .*layer\.1\.output\.dense\.weight"
    ):
        load(folder, backend).encode_documents(["x"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_unknown_device_is_refused_at_first_use(tiny, backend):
    with pytest.raises(InvalidArgumentError, match="device must be one"):
        load(tiny, backend, device="cuda:99").encode_documents(["x"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_loading_prints_nothing_leaves_no_file_and_needs_no_hub_compiler_or_git(tiny, tmp_path, backend):
    settings = tiny / "artifact.metadata"
    folder = tmp_path / "named like a pickle.dnn"
    folder.mkdir()
    for path in tiny.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / settings.name).unlink()
    (folder / settings.name).write_text(json.dumps({**json.loads(settings.read_text()), "model_name": "acme/none"}))
    work = tmp_path / "work"
    work.mkdir()
    code = f"""
import multiprocessing, os, socket
os.environ.pop("HF_HUB_OFFLINE", None)
os.environ["PATH"] = os.getcwd()
def refuse(*_):
    print("asked the network")
    raise OSError("no network")
socket.socket.connect = socket.getaddrinfo = refuse
from lateral.retrievers.models.colbert import load_colbert
encoder = load_colbert({str(folder)!r}, backend={backend!r}, device="cpu")
assert encoder.encode_queries(["x"])[0].shape == (16, 16)
assert multiprocessing.get_start_method(allow_none=True) is None
assert not {{"TOKENIZERS_PARALLELISM", "GIT_PYTHON_REFRESH"}} & set(os.environ)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=work, capture_output=True, text=True, timeout=120, check=False
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
    assert list(work.iterdir()) == []

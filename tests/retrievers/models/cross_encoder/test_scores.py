"""Both runtimes against sentence-transformers' own `CrossEncoder.predict`, on tiny models made on the spot."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from cross_encoders import (
    IDENTITY,
    changed,
    headed_cross_encoder,
    predicted,
    saved_cross_encoder,
    tiny_cross_encoder,
)
from lateral.errors import EncodingError, InvalidArgumentError, ModelNotFoundError
from lateral.retrievers.models.cross_encoder import load_cross_encoder
from lateral.retrievers.models.cross_encoder.openvino import OpenVINOPairs
from lateral.retrievers.models.cross_encoder.sentence_transformers import SentenceTransformersPairs

pytestmark = pytest.mark.slow  # importing sentence-transformers takes 6 s, each export a process that imports it, too

QUERY = "How do ball pythons hunt?"
TEXTS = [
    "They wait until something warm comes near.",
    "",
    "Ein Satz mit Umlauten: äöü, and some emoji 🐍 and [SEP] marks.",
    "word " * 700,
    *(f"Sentence number {number} about " + "the care of reptiles " * number for number in range(20)),
]
PAIRS = [(QUERY, text) for text in TEXTS]
TOLERANCE = 1e-4  # of a logit, in float32; measured: 2e-6
CORRELATION = 0.999  # in bfloat16


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Tiny models are exported anew in each run."""
    before = os.environ.get("LATERAL_CACHE")
    os.environ["LATERAL_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["LATERAL_CACHE"]
    else:
        os.environ["LATERAL_CACHE"] = before


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def bare(root):
    return tiny_cross_encoder(root / "bare", activation=IDENTITY)


@pytest.fixture(scope="module")
def expected(bare):
    return predicted(bare, PAIRS)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_numbers_are_those_of_predict(bare, expected, backend):
    found = load_cross_encoder(str(bare), backend=backend, dtype="float32").logits(PAIRS)
    assert (found.dtype, found.shape) == (np.float32, (len(PAIRS),))
    assert np.ptp(expected) > 5
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_16_bits_change_the_last_digits_and_tie_no_pairs(bare, expected, backend):
    found = load_cross_encoder(str(bare), backend=backend, dtype="bfloat16").logits(PAIRS)
    assert np.corrcoef(found, expected)[0, 1] > CORRELATION
    assert len(set(found.tolist())) == len(set(expected.tolist()))


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_folder_with_modules_gives_the_same_numbers(root, bare, expected, backend):
    folder = root / "saved"
    if not folder.exists():
        saved_cross_encoder(folder, bare)
    scorer = load_cross_encoder(str(folder), backend=backend, dtype="float32")
    np.testing.assert_allclose(scorer.logits(PAIRS), expected, atol=TOLERANCE)


def test_layers_behind_the_transformer_are_left_to_torch(root, caplog):
    folder = headed_cross_encoder(root / "headed")
    with pytest.raises(InvalidArgumentError, match=r"can't serve .*: its score is made by Pooling and Dense"):
        load_cross_encoder(str(folder), backend="openvino")
    with caplog.at_level(logging.WARNING, logger="lateral"):
        scorer = load_cross_encoder(str(folder), dtype="float32")
    assert isinstance(scorer, SentenceTransformersPairs)
    assert "sentence-transformers runs it, as OpenVINO can't: its score is made by Pooling and Dense" in caplog.text
    np.testing.assert_allclose(scorer.logits(PAIRS), predicted(folder, PAIRS), atol=TOLERANCE)


def test_a_prompt_is_put_before_the_query(tmp_path, root, bare):
    folder = changed(
        tmp_path / "model",
        saved_cross_encoder(tmp_path / "saved", bare),
        "config_sentence_transformers.json",
        prompts={"query": "question: "},
        default_prompt_name="query",
    )
    with pytest.raises(InvalidArgumentError, match="it puts a prompt before the query"):
        load_cross_encoder(str(folder), backend="openvino")
    found = load_cross_encoder(str(folder), dtype="float32").logits(PAIRS)
    np.testing.assert_allclose(found, predicted(bare, PAIRS, prompt="question: "), atol=TOLERANCE)


def test_no_pairs_have_no_numbers_and_load_nothing(bare):
    for backend in ("torch", "openvino"):
        assert load_cross_encoder(str(bare), backend=backend).logits([]).shape == (0,)


def test_weights_that_are_missing_are_no_model(tmp_path, bare):
    from safetensors.numpy import load_file, save_file

    folder = changed(tmp_path / "model", bare)
    weights = load_file(folder / "model.safetensors")
    for lost in ("classifier.weight", "bert.pooler.dense.weight"):
        rest = {name: tensor for name, tensor in weights.items() if name != lost}
        save_file(rest, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ModelNotFoundError, match=f"is incomplete: .*{lost}"):
            load_cross_encoder(str(folder), backend="torch").logits(PAIRS[:1])


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_numbers_that_are_none_are_an_error(tmp_path, bare, backend):
    from safetensors.numpy import load_file, save_file

    folder = changed(tmp_path / "model", bare)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"][:] = np.inf
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    scorer = load_cross_encoder(str(folder), backend=backend)
    with pytest.raises((EncodingError, ModelNotFoundError), match=r"NaN or infinity for pair 0|differs from torch's"):
        scorer.logits(PAIRS[:2])


def test_a_model_that_can_not_be_exported_is_scored_by_torch_and_one_line_says_so(tmp_path, bare, caplog):
    folder = changed(tmp_path / "model", bare, "tokenizer_config.json", padding_side="left")
    scorer = load_cross_encoder(str(folder), dtype="float32")
    assert isinstance(scorer, OpenVINOPairs)
    expected = load_cross_encoder(str(folder), dtype="float32", backend="torch").logits(PAIRS)
    for _ in range(2):
        np.testing.assert_allclose(scorer.logits(PAIRS), expected, atol=TOLERANCE)
    [record] = [it for it in caplog.records if it.levelno >= logging.WARNING and it.name.startswith("lateral")]
    assert "sentence-transformers scores, as" in record.getMessage()
    assert "its tokenizer pads or cuts on the left" in record.getMessage()


def test_an_exported_model_scores_without_torch(bare):
    load_cross_encoder(str(bare), backend="openvino").logits(PAIRS[:1])
    code = (
        "import sys\nfrom lateral.rerankers import CrossEncoderReranker\n"
        f"print(CrossEncoderReranker({str(bare)!r}).score('tea', ['green tea']))\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[1:] == ["[]"]


def test_a_batch_that_memory_does_not_hold_is_scored_in_parts(bare, expected):
    import torch

    scorer = load_cross_encoder(str(bare), backend="torch", device="cpu", dtype="float32")
    scorer.logits(PAIRS[:1])
    sizes = []

    def hold_three(_, arguments, named):
        sizes.append(len((arguments[0] if arguments else named)["input_ids"]))
        if sizes[-1] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    scorer._model.register_forward_pre_hook(hold_three, with_kwargs=True)
    np.testing.assert_allclose(scorer.logits(PAIRS), expected, atol=TOLERANCE)
    assert max(sizes) > 3
    assert sum(size for size in sizes if size <= 3) == len(PAIRS)

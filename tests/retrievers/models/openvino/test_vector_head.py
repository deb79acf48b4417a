"""What comes behind a transformer, by hand, and what of it is refused."""

import json
import re

import numpy as np
import pytest
from lateral.retrievers.models.folder import ModelLayout, ModelModule
from lateral.retrievers.models.openvino.vector_head import VectorHead, read_head, refusal
from safetensors.numpy import save_file

# Two texts of two dimensions: three tokens, and two with one row of padding whose values must not matter.
TOKENS = np.array([[[1, 8], [2, 4], [6, 0]], [[3, -1], [5, -3], [99, 99]]], np.float32)
LENGTHS = [3, 2]


def module(kind, path, config=None, weights=()):
    return ModelModule(kind, path, config or {}, tuple(weights))


def pooling(path, *modes, include_prompt=True):
    return module("Pooling", path, {"modes": list(modes), "include_prompt": include_prompt, "dim": 2})


def layout_of(*modules):
    return ModelLayout(modules, modules, "", "", 64, 2, False)


@pytest.mark.parametrize(
    ("how", "prompt_length", "expected"),
    [
        ("mean", 0, [[3, 4], [4, -2]]),
        ("cls", 0, [[1, 8], [3, -1]]),
        ("max", 0, [[6, 8], [5, -1]]),
        ("mean", 1, [[4, 2], [5, -3]]),
        ("cls", 1, [[2, 4], [5, -3]]),
        ("max", 1, [[6, 4], [5, -3]]),
        ("mean", 2, [[6, 0], [0, 0]]),  # of the second text only the prompt was read
        ("cls", 2, [[6, 0], [0, 0]]),
    ],
)
def test_pooling_heeds_padding_and_the_prompt(how, prompt_length, expected):
    pooled = VectorHead((how,), False, ()).apply(TOKENS, LENGTHS, prompt_length)
    np.testing.assert_array_equal(pooled, np.array(expected, np.float32))
    assert pooled.dtype == np.float32


def test_prompt_is_pooled_unless_the_model_says_otherwise():
    pooled = VectorHead(("cls",), True, ()).apply(TOKENS, LENGTHS, prompt_length=1)
    np.testing.assert_array_equal(pooled, [[1, 8], [3, -1]])


def test_several_poolings_are_joined():
    pooled = VectorHead(("cls", "max"), True, ()).apply(TOKENS, LENGTHS, 0)
    np.testing.assert_array_equal(pooled, [[1, 8, 6, 8], [3, -1, 5, -1]])


def test_dense_and_normalise_follow_in_order(tmp_path):
    weights = {"linear.weight": np.array([[1, 1], [0, 2]], np.float32), "linear.bias": np.array([-3, 4], np.float32)}
    save_file(weights, tmp_path / "model.safetensors")
    settings = {"activation_function": "torch.nn.modules.linear.Identity", "bias": True}
    dense = module("Dense", tmp_path, settings, [tmp_path / "model.safetensors"])
    normalise = module("Normalize", tmp_path)
    head = read_head([module("Transformer", tmp_path), pooling(tmp_path, "mean"), normalise, dense, normalise])
    # means (3, 4) and (4, -2), of length 1 (0.6, 0.8) and (2, -1) / 5**0.5; through the layer (x + y - 3, 2 y + 4)
    expected = [[-1.6, 5.6], [1 / 5**0.5 - 3, 4 - 2 / 5**0.5]]  # what ends with a length of 1 is left to the encoder
    np.testing.assert_allclose(head.apply(TOKENS, LENGTHS, 0), expected, rtol=1e-6)


def test_dense_without_a_named_activation_is_tanh(tmp_path):
    save_file({"linear.weight": np.eye(2, dtype=np.float32)}, tmp_path / "model.safetensors")
    dense = module("Dense", tmp_path, {"bias": False}, [tmp_path / "model.safetensors"])
    head = read_head([module("Transformer", tmp_path), pooling(tmp_path, "cls"), dense])
    np.testing.assert_allclose(head.apply(TOKENS, LENGTHS, 0), np.tanh([[1, 8], [3, -1]]), rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "behind", "reason"),
    [
        ({}, ("LayerNorm", {}), "it has a module LayerNorm"),
        (
            {},
            ("Dense", {"activation_function": "torch.nn.modules.activation.ReLU"}),
            r"its Dense layer is 'torch\..*ReLU'",
        ),
        ({}, ("Dense", {"use_residual": True}), "its Dense layer has a residual"),
        ({}, ("Dense", {"module_input_name": "token_embeddings"}), "its Dense layer has a residual, other inputs"),
        ({"query_length": 32}, ("Normalize", {}), "setting query_length is '32'"),
        ({"transformer_task": "fill-mask"}, ("Normalize", {}), "setting transformer_task is 'fill-mask'"),
    ],
)
def test_what_it_does_not_know_is_refused(tmp_path, settings, behind, reason):
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64, **settings}))
    kind, config = behind
    last = module(kind, tmp_path, config, [tmp_path / "model.safetensors"])
    found = refusal(layout_of(module("Transformer", tmp_path), pooling(tmp_path, "mean"), last))
    assert re.search(reason, found)


@pytest.mark.parametrize("mode", ["lasttoken", "weightedmean", "mean_sqrt_len_tokens"])
def test_unknown_pooling_is_refused(tmp_path, mode):
    found = refusal(layout_of(module("Transformer", tmp_path), pooling(tmp_path, "cls", mode)))
    assert found == f"its pooling is '{mode}'"


def test_model_without_a_transformer_is_refused(tmp_path):
    assert refusal(layout_of(module("StaticEmbedding", tmp_path))) == "it begins with StaticEmbedding"


def test_settings_at_their_defaults_are_known(tmp_path):
    settings = {
        "max_seq_length": 64,
        "do_lower_case": True,
        "transformer_task": "feature-extraction",
        "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
        "module_output_name": "token_embeddings",
        "query_expansion": None,
    }
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps(settings))
    assert refusal(layout_of(module("Transformer", tmp_path), pooling(tmp_path, "max"))) is None

"""What is read from a model's folder: the layout, and the fingerprint made of it. No torch, folders written by hand."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lateral.errors import ModelNotFoundError
from lateral.retrievers.models.fingerprint import file_sha256, fingerprint_folder
from lateral.retrievers.models.folder import read_layout
from safetensors.numpy import save_file

OLD = "sentence_transformers.models."
NEW = "sentence_transformers.base.modules."
OLD_POOLING = {"word_embedding_dimension": 8, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
NEW_POOLING = {"embedding_dimension": 8, "pooling_mode": "mean", "include_prompt": True}


def write(path: Path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_weights(path: Path, value=1.0, shape=(4, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"table": np.full(shape, value, np.float32), "bias": np.zeros(3, np.float32)}, path)


def modules(*types):
    return [
        {"idx": i, "name": str(i), "path": f"{i}_{t.rpartition('.')[2]}" if i else "", "type": t}
        for i, t in enumerate(types)
    ]


@pytest.fixture
def folder(tmp_path):
    """An old-style model of 8 dimensions: transformer, mean pooling, normalisation."""
    path = tmp_path / "model"
    write(path / "modules.json", modules(OLD + "Transformer", OLD + "Pooling", OLD + "Normalize"))
    write(path / "config.json", {"hidden_size": 8, "max_position_embeddings": 64})
    write(path / "sentence_bert_config.json", {"max_seq_length": 32, "do_lower_case": False})
    write(path / "1_Pooling" / "config.json", OLD_POOLING)
    write_weights(path / "model.safetensors")
    return path


def changed(folder, name, change):
    copy = folder.with_name(name)
    shutil.copytree(folder, copy)
    change(copy)
    return copy


def test_layout_says_how_the_model_works(folder):
    layout = read_layout(folder)
    assert [module.type for module in layout.document] == ["Transformer", "Pooling", "Normalize"]
    assert layout.query == layout.document
    assert (layout.max_length, layout.dim, layout.lower_case) == (32, 8, False)
    assert (layout.query_prompt, layout.document_prompt) == ("", "")


def test_same_model_written_by_another_version_has_the_same_fingerprint(folder):
    def rewrite(copy):
        write(
            copy / "modules.json",
            modules(NEW + "transformer.Transformer", NEW + "pooling.Pooling", NEW + "normalize.Normalize"),
        )
        write(copy / "1_Pooling" / "config.json", NEW_POOLING)
        write(copy / "2_Normalize" / "config.json", {"module_input_name": "sentence_embedding"})
        write(copy / "sentence_bert_config.json", {"transformer_task": "feature-extraction"})
        write(copy / "tokenizer_config.json", {"model_max_length": 32})
        write(copy / "config_sentence_transformers.json", {"prompts": {"query": "", "document": ""}})
        write(copy / "README.json", {})

    assert fingerprint_folder(changed(folder, "new", rewrite)).fingerprint == fingerprint_folder(folder).fingerprint


CHANGES = {
    "weights": lambda copy: write_weights(copy / "model.safetensors", 2.0),
    "pooling": lambda copy: write(copy / "1_Pooling" / "config.json", {**OLD_POOLING, "pooling_mode_cls_token": True}),
    "prompt left out of pooling": lambda copy: write(
        copy / "1_Pooling" / "config.json", {**NEW_POOLING, "include_prompt": False}
    ),
    "normalisation": lambda copy: write(copy / "modules.json", modules(OLD + "Transformer", OLD + "Pooling")),
    "length": lambda copy: write(copy / "sentence_bert_config.json", {"max_seq_length": 64}),
    "case": lambda copy: write(copy / "sentence_bert_config.json", {"max_seq_length": 32, "do_lower_case": True}),
    "query prompt": lambda copy: write(copy / "config_sentence_transformers.json", {"prompts": {"query": "query: "}}),
    "document prompt": lambda copy: write(
        copy / "config_sentence_transformers.json", {"prompts": {"passage": "query: "}}
    ),
    "dimension": lambda copy: write(copy / "config_sentence_transformers.json", {"truncate_dim": 4}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changes_the_space_changes_the_fingerprint(folder, change):
    assert fingerprint_folder(changed(folder, "other", change)).fingerprint != fingerprint_folder(folder).fingerprint


def test_projection_sets_the_dimension_and_its_weights_count(folder):
    def project(value):
        def change(copy):
            write(copy / "modules.json", modules(OLD + "Transformer", OLD + "Pooling", OLD + "Dense"))
            write(
                copy / "2_Dense" / "config.json",
                {"in_features": 8, "out_features": 5, "activation_function": "torch.nn.Tanh"},
            )
            write_weights(copy / "2_Dense" / "model.safetensors", value)

        return change

    one, other = (fingerprint_folder(changed(folder, f"dense{value}", project(value))) for value in (1.0, 2.0))
    assert one.dim == other.dim == 5
    assert one.fingerprint != other.fingerprint


def test_name_and_place_play_no_part(folder):
    copy = changed(folder, "elsewhere", lambda _: None)
    assert fingerprint_folder(copy, model="x").fingerprint == fingerprint_folder(folder).fingerprint
    assert fingerprint_folder(copy, model="x").model == "x"
    assert fingerprint_folder(copy).model == str(copy)


def test_several_poolings_add_up_and_a_bare_transformer_gets_mean_pooling(folder):
    write(folder / "1_Pooling" / "config.json", {**NEW_POOLING, "pooling_mode": ["cls", "mean"]})
    assert read_layout(folder).dim == 16
    (folder / "modules.json").unlink()
    assert read_layout(folder).document[1].config["modes"] == ["mean"]
    assert read_layout(folder).dim == 8


def test_length_without_a_setting_is_the_smaller_of_tokenizer_and_model(folder):
    (folder / "sentence_bert_config.json").unlink()
    assert read_layout(folder).max_length == 64
    write(folder / "tokenizer_config.json", {"model_max_length": 48})
    assert read_layout(folder).max_length == 48
    write(folder / "tokenizer_config.json", {"model_max_length": 10**30})
    write(folder / "config.json", {"d_model": 8, "max_position_embeddings": -1})
    assert read_layout(folder).max_length is None


def test_sharded_weights_are_all_hashed_and_all_needed(folder):
    (folder / "model.safetensors").unlink()
    write(
        folder / "model.safetensors.index.json",
        {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}},
    )
    write_weights(folder / "model-1.safetensors")
    with pytest.raises(ModelNotFoundError, match=r"incomplete: model-2\.safetensors is missing"):
        read_layout(folder)
    write_weights(folder / "model-2.safetensors")
    before = fingerprint_folder(folder).fingerprint
    write_weights(folder / "model-2.safetensors", 2.0)
    assert fingerprint_folder(folder).fingerprint != before


def test_two_towers_have_a_side_each(folder):
    for name in ("query_0_StaticEmbedding", "document_0_StaticEmbedding"):
        write_weights(folder / name / "model.safetensors", len(name))
    write(folder / "modules.json", modules(NEW + "router.Router"))
    types = dict.fromkeys(["query_0_StaticEmbedding", "document_0_StaticEmbedding"], NEW + "StaticEmbedding")
    structure = {side: [f"{side}_0_StaticEmbedding"] for side in ("query", "document")}
    write(folder / "router_config.json", {"types": types, "structure": structure, "parameters": {}})
    layout = read_layout(folder)
    assert layout.query[0].weights != layout.document[0].weights
    assert (layout.dim, layout.max_length) == (8, None)
    write(folder / "router_config.json", {"types": types, "structure": {"query": structure["query"]}, "parameters": {}})
    with pytest.raises(ModelNotFoundError, match=r"no route for a document; its routes are \['query'\]"):
        read_layout(folder)


BROKEN = {
    "empty": (lambda folder: [path.unlink() for path in folder.glob("*.json")], "neither modules.json nor config.json"),
    "pickle": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        r"only pytorch_model\.bin, a pickle",
    ),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "needs weights as safetensors and has none"),
    "code": (
        lambda folder: write(folder / "modules.json", modules("custom_st.Transformer")),
        r"code of its own \('custom_st",
    ),
    "no module": (lambda folder: write(folder / "modules.json", []), "names no module"),
    "no width": (
        lambda folder: (write(folder / "config.json", {}), write(folder / "1_Pooling" / "config.json", {})),
        "how long its vectors",
    ),
    "pointer of git-lfs": (
        lambda folder: (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid x\n"),
        r"model\.safetensors is no whole safetensors file, at 49 bytes: .*git lfs pull",
    ),
    "empty weights": (lambda folder: (folder / "model.safetensors").write_bytes(b""), "at 0 bytes"),
    "adapter beside weights": (
        lambda folder: write_weights(folder / "adapter_model.safetensors"),
        r"holds an adapter \(adapter_model\.safetensors\) to another model",
    ),
    "adapter alone": (
        lambda folder: (
            (folder / "model.safetensors").rename(folder / "adapter_model.safetensors"),
            write(folder / "adapter_config.json", {"base_model_name_or_path": "some/model"}),
        ),
        "holds an adapter",
    ),
    "prompts as a list": (
        lambda folder: write(folder / "config_sentence_transformers.json", {"prompts": ["query: "]}),
        "damaged settings .AttributeError",
    ),
    "prompt that is no text": (
        lambda folder: write(folder / "config_sentence_transformers.json", {"prompts": {"query": 7}}),
        "damaged settings .TypeError: the prompt '7' is no text",
    ),
    "modules without a path": (lambda folder: write(folder / "modules.json", [{"type": OLD}]), "KeyError: 'path'"),
    "modules as an object": (lambda folder: write(folder / "modules.json", {"a": 1}), "damaged settings"),
    "modules in a name too long": (
        lambda folder: write(folder / "modules.json", [{"path": "x" * 300, "type": OLD + "Transformer"}]),
        "File name too long",
    ),
    "module of a number": (lambda folder: write(folder / "modules.json", [{"path": "", "type": 1}]), "AttributeError"),
    "length of text": (
        lambda folder: write(folder / "sentence_bert_config.json", {"max_seq_length": "x"}),
        "TypeError",
    ),
    "length below 1": (
        lambda folder: write(folder / "sentence_bert_config.json", {"max_seq_length": -5}),
        "reads -5 tokens",
    ),
    "dimension of text": (
        lambda folder: write(folder / "config_sentence_transformers.json", {"truncate_dim": "x"}),
        "TypeError",
    ),
    "dimension below 1": (
        lambda folder: write(folder / "config_sentence_transformers.json", {"truncate_dim": -1}),
        "vectors have -1 dimensions",
    ),
    "dimension beyond memory": (
        lambda folder: write(folder / "1_Pooling" / "config.json", {**NEW_POOLING, "embedding_dimension": 10**12}),
        "vectors have 1000000000000 dimensions",
    ),
    "dimension without end": (
        lambda folder: (folder / "1_Pooling" / "config.json").write_text('{"embedding_dimension": Infinity}'),
        "OverflowError",
    ),
    "shards as a list": (
        lambda folder: (
            (folder / "model.safetensors").unlink(),
            write(folder / "model.safetensors.index.json", {"weight_map": ["a"]}),
        ),
        "AttributeError",
    ),
    "no end of brackets": (
        lambda folder: (folder / "config.json").write_text("[" * 100_000),
        r"config\.json can't be read",
    ),
    "no JSON": (lambda folder: (folder / "config.json").write_text("{"), r"config\.json can't be read"),
    "no object": (lambda folder: write(folder / "config.json", [1]), "must hold a JSON object"),
}


@pytest.mark.parametrize(("damage", "message"), BROKEN.values(), ids=BROKEN)
def test_folder_that_can_not_be_used_is_refused_with_the_reason(folder, damage, message):
    damage(folder)
    with pytest.raises(ModelNotFoundError, match=message):
        fingerprint_folder(folder)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"[1]", "damaged settings"),
        (b"{}", "damaged settings"),
        (b'{"a": {"shape": []}}', "IndexError"),
        (b"{", "damaged"),
    ],
)
def test_a_table_with_a_damaged_header_is_refused(folder, header, message):
    write(folder / "modules.json", modules(OLD + "StaticEmbedding"))
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"0")
    with pytest.raises(ModelNotFoundError, match=message):
        read_layout(folder)


def test_the_two_prompts_are_told_apart(folder):
    def prompts(query, document):
        return lambda copy: write(
            copy / "config_sentence_transformers.json", {"prompts": {"query": query, "document": document}}
        )

    pairs = [("", ""), ("a", ""), ("", "a"), ("a", "a")]
    spaces = [fingerprint_folder(changed(folder, f"{q}-{d}", prompts(q, d))) for q, d in pairs]
    assert len({space.fingerprint for space in spaces}) == 4


def test_pickled_projection_is_refused(folder):
    write(folder / "modules.json", modules(OLD + "Transformer", OLD + "Pooling", OLD + "Dense"))
    write(folder / "2_Dense" / "config.json", {"in_features": 8, "out_features": 5})
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelNotFoundError, match="2_Dense needs weights as safetensors"):
        read_layout(folder)


def test_hash_of_a_file_follows_its_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    path.write_bytes(b"")
    assert file_sha256(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_fingerprint_needs_neither_torch_nor_transformers(folder):
    code = (
        "import sys; from lateral.retrievers.models.fingerprint import fingerprint_folder\n"
        f"fingerprint_folder({str(folder)!r})\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'sentence_transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Graphs in 8-bit integers are made whole or not at all, and keep nothing of the texts they were made with."""

import logging
import os
import shutil
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from full_disks import no_file_longer_than
from lateral.errors import ModelNotFoundError
from lateral.retrievers.models import DEFAULT_BI_ENCODER, find_model, load_bi_encoder
from lateral.retrievers.models.batching import BatchLimit
from lateral.retrievers.models.folder import read_layout
from lateral.retrievers.models.openvino import quantize
from lateral.retrievers.models.openvino.export import (
    MANIFEST,
    MODEL,
    TOKENIZER,
    export_folder,
    export_transformer,
    is_whole,
    put_in_place,
)
from lateral.retrievers.models.openvino.quantize import quantize_export, quantized_folder
from lateral.retrievers.models.openvino.runtime import load_openvino
from lateral.retrievers.models.openvino.token_batches import BatchTokenizer
from permissions import folder_without_rights
from quantized_models import PASSAGES, SENTENCES, cache_with_default

pytestmark = pytest.mark.slow  # each quantization is a process that imports NNCF

UNSATURATED = 0.998  # mean cosine to the same graph in floats; measured: 0.999, and 0.997 with what saturates
LONGEST = 64  # tokens that the tiny model reads
SAMPLE = [*PASSAGES[:8], "word " * 700]  # of the last one more than the model has positions for


@pytest.fixture(scope="module", params=["static", "weights alone"])
def made(request, tiny, tmp_path_factory):
    """A tiny model, exported and quantized as on either kind of CPU, in its own cache, and what was there before."""
    is_static = request.param == "static"
    path, cache = tiny("cls"), tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATERAL_CACHE", str(cache))
        patch.setattr(quantize, "cpu_saturates", lambda: not is_static)
        exported = export_transformer(read_layout(path).document[0])
        before = quantized_folder(exported)
        quantize_export(exported, SAMPLE, LONGEST)
    return SimpleNamespace(path=path, cache=cache, before=before, is_static=is_static)


@pytest.fixture
def copied(made, tmp_path, monkeypatch):
    """A copy that a test may change."""
    cache = shutil.copytree(made.cache, tmp_path / "cache")
    monkeypatch.setenv("LATERAL_CACHE", str(cache))
    monkeypatch.setattr(quantize, "cpu_saturates", lambda: not made.is_static)
    exported = export_folder(read_layout(made.path).document[0], "feature-extraction")
    return SimpleNamespace(path=made.path, cache=cache, exported=exported, is_static=made.is_static)


def folder_of(copied):
    folder = quantized_folder(copied.exported)
    assert folder is not None
    return folder


def load(copied):
    return load_bi_encoder(str(copied.path), dtype="int8")


def test_it_stands_whole_beside_the_export_once_it_was_made(made, copied):
    assert made.before is None
    folder = folder_of(copied)
    assert folder.parent == copied.exported.parent
    assert folder != copied.exported
    assert is_whole(folder, {MODEL})
    assert {file.name for file in folder.iterdir()} == {MODEL, "model.bin", MANIFEST}
    assert is_whole(copied.exported), "the export is left as it is"
    assert (folder / "model.bin").stat().st_size < (copied.exported / "model.bin").stat().st_size


def test_nothing_of_the_sample_is_kept(made):
    files = [file for file in made.cache.rglob("*") if file.is_file()]
    assert any(file.name == "model.bin" and file.parent.name.startswith("int8-") for file in files)
    for file in files:
        written = file.read_bytes()
        assert not [text for text in SAMPLE if text[:40].encode() in written], file


def test_a_damaged_one_is_not_used(copied):
    encoder = load(copied)
    with (folder_of(copied) / "model.bin").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    assert quantized_folder(copied.exported) is None
    with pytest.raises(ModelNotFoundError, match="is not at hand in int8: bring it there"):
        encoder.encode_queries(["x"])


@pytest.mark.parametrize("name", [MODEL, "model.bin", MANIFEST])
def test_one_that_lacks_a_file_is_not_used(copied, name):
    (folder_of(copied) / name).unlink()
    assert quantized_folder(copied.exported) is None
    with pytest.raises(ModelNotFoundError, match="is not at hand in int8"):
        load(copied).encode_documents(["x"])


def test_another_sample_replaces_it_and_sweeps_what_a_killed_process_left(copied, caplog):
    folder = folder_of(copied)
    before, left = (folder / "model.bin").read_bytes(), folder.with_name(f"{folder.name}.1.tmp")
    opened = load(copied)
    vectors = opened.encode_documents(PASSAGES)
    left.mkdir()
    (left / "sample.json").write_text('["what a document says"]')
    others = [text.upper() for text in PASSAGES[8:16]]
    with caplog.at_level(logging.INFO, logger="lateral"):
        assert quantize_export(copied.exported, others, LONGEST) == folder
    assert folder_of(copied) == folder
    assert ((folder / "model.bin").read_bytes() != before) == copied.is_static, "weights depend on no sample"
    assert not list(folder.parent.glob("*.tmp"))
    how = "with 8 texts" if copied.is_static else "its weights alone"
    assert f"to int8, {how}, once" in caplog.text
    assert not [text for text in others if text in caplog.text]
    assert (opened.encode_documents(PASSAGES) == vectors).all(), "who has it open keeps what is open"
    assert load(copied).encode_documents(PASSAGES).shape == vectors.shape


def test_a_graph_that_can_not_be_quantized_leaves_the_old_one(copied):
    before = (folder_of(copied) / MANIFEST).read_bytes()
    (copied.exported / MODEL).write_text("<net/>")
    with pytest.raises(ModelNotFoundError, match=r"can't be brought to int8: \S.*\Z"):
        quantize_export(copied.exported, SAMPLE, LONGEST)
    assert (folder_of(copied) / MANIFEST).read_bytes() == before
    assert not list(copied.exported.parent.glob("*.tmp"))


def test_each_kind_of_cpu_has_its_own(copied, monkeypatch):
    monkeypatch.setattr(quantize, "cpu_saturates", lambda: copied.is_static)
    assert quantized_folder(copied.exported) is None


def test_a_full_disk_leaves_the_old_one(copied):
    before = (folder_of(copied) / MANIFEST).read_bytes()
    with no_file_longer_than(100_000), pytest.raises(ModelNotFoundError, match="can't be brought to int8"):
        quantize_export(copied.exported, SAMPLE, LONGEST)
    assert (folder_of(copied) / MANIFEST).read_bytes() == before
    assert not list(copied.exported.parent.glob("*.tmp"))


def test_a_cache_that_can_not_be_written_is_reported():
    with (
        folder_without_rights(0o500) as cache,
        pytest.raises(ModelNotFoundError, match="can't keep the quantized model"),
    ):
        quantize_export(cache / "exported", SAMPLE, LONGEST)


def test_no_sum_of_byte_products_saturates_on_this_cpu(tmp_path, monkeypatch):
    cache_with_default(tmp_path / "cache")
    monkeypatch.setenv("LATERAL_CACHE", str(tmp_path / "cache"))
    exported = export_transformer(read_layout(find_model(DEFAULT_BI_ENCODER).path).document[0])
    graph = quantize_export(exported, SENTENCES[::2], 256) / MODEL
    tokenizer = BatchTokenizer(exported / TOKENIZER, max_length=256, step=1)
    openvino, vectors = load_openvino(), []
    for as_floats in ({}, {"LP_TRANSFORMS_MODE": False}):  # the bytes' values, multiplied and added as floats
        settings = {"INFERENCE_PRECISION_HINT": "f32", **as_floats}
        model = openvino.Core().compile_model(openvino.Core().read_model(graph), "CPU", settings)
        batches = tokenizer.batches(PASSAGES[1::2], BatchLimit(texts=1, tokens=1))
        inputs = [{port.get_any_name(): it.inputs[port.get_any_name()] for port in model.inputs} for it in batches]
        pooled = np.stack([model(it)[0][0].mean(axis=0) for it in inputs])
        vectors.append(pooled / np.linalg.norm(pooled, axis=1, keepdims=True))
    assert (vectors[0] * vectors[1]).sum(axis=1).mean() > UNSATURATED


def test_one_that_is_just_being_replaced_is_waited_for(copied):
    folder = folder_of(copied)
    away = folder.rename(folder.with_name("away"))
    back = threading.Timer(0.05, away.rename, [folder])
    encoder = load(copied)
    encoder.count_tokens(["x"])
    back.start()
    assert encoder.encode_queries(["x"]).shape == (1, 32)
    back.join()


def test_a_folder_takes_the_place_of_another(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    with (tmp_path / "old" / "file").open() as opened:
        put_in_place(tmp_path / "new", tmp_path / "old")
        assert opened.read() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old" / "file").read_text() == "new"

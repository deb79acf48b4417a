"""Where cross-encoders are looked for."""

import os

import pytest
from cross_encoders import tiny_cross_encoder
from huggingface_hub import constants
from lateral.errors import InvalidArgumentError, ModelNotFoundError
from lateral.retrievers.models.cross_encoder import find_cross_encoder, load_cross_encoder

NAME = "ms-marco-Tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.mark.parametrize("name", ["", " ", None, 7])
def test_a_name_must_be_a_text(name):
    with pytest.raises(InvalidArgumentError, match="name or folder must be a string with content"):
        find_cross_encoder(name)


def test_an_unknown_backend_and_dtype_are_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="backend must be one of auto, torch, openvino, got 'magic'"):
        load_cross_encoder(str(tmp_path), backend="magic")


def test_what_was_tried_is_said(cache):
    with pytest.raises(ModelNotFoundError, match=r"local folder: there is none.*\n.*local cache: not there\n.*offline"):
        find_cross_encoder("cross-encoder/none-such", offline=True)
    with pytest.raises(ModelNotFoundError, match="local folder: there is none of this name\nName the folder"):
        find_cross_encoder("no/such/folder", offline=True)


@pytest.mark.slow
def test_a_name_without_an_organization_is_of_cross_encoder_and_found_in_the_local_cache(cache):
    place = cache / f"models--cross-encoder--{NAME}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    (place / "snapshots").mkdir()
    tiny_cross_encoder(place / "snapshots" / COMMIT)
    found = find_cross_encoder(NAME, offline=True)
    assert (found.name, found.place, found.path.name) == (NAME, "local cache", COMMIT)
    assert find_cross_encoder(f"cross-encoder/{NAME}", offline=True).path == found.path


@pytest.mark.slow
def test_a_device_that_is_not_there_is_refused(tmp_path):
    folder = tiny_cross_encoder(tmp_path / "model")
    with pytest.raises(InvalidArgumentError, match=r"backend 'openvino' can't serve .*: it computes on the CPU only"):
        load_cross_encoder(str(folder), device="cuda", backend="openvino")
    with pytest.raises(InvalidArgumentError, match="device must be one that this machine has, got 'cuda:63'"):
        load_cross_encoder(str(folder), device="cuda:63").logits([("a", "b")])


@pytest.mark.slow
def test_a_folder_in_the_way_is_refused_and_not_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("cross-encoder")
    with pytest.raises(ModelNotFoundError, match="holds no model"):
        find_cross_encoder("cross-encoder")

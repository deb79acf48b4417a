"""Each cure for RAGatouille and colbert-ai is still needed. In a process of its own: the damage is at import."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from colbert_checkpoints import tiny_checkpoint
from lateral.retrievers.models.colbert import load_colbert
from lateral.retrievers.models.colbert.cures import import_ragatouille

pytestmark = pytest.mark.slow  # importing ragatouille takes 6 s

# Each step is tried without its cure and with the cures of the steps before; what happens is told as JSON.
WITHOUT = """
import json, multiprocessing, os, sys, warnings
from lateral.retrievers.models.cures import cure_langchain, cure_torchvision
plain, named, unmasked, scratch = sys.argv[1:]
found = {}
cure_torchvision()
cure_langchain()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from ragatouille import RAGPretrainedModel
found["warns"] = any("Future Release Notice" in str(each.message) for each in caught)
found["start method"] = multiprocessing.get_start_method(allow_none=True)
found["parallelism"] = os.environ.get("TOKENIZERS_PARALLELISM")
from lateral.retrievers.models.colbert.cures import cure_class_factory, nothing_compiled
def load(path):
    try:
        return RAGPretrainedModel.from_pretrained(path, verbose=0).model.inference_ckpt
    except Exception as err:
        return str(err)
warnings.simplefilter("ignore")
with nothing_compiled():
    found["class factory"] = str(load(plain))
    found["cured"] = [cure_class_factory(), cure_class_factory()]
    found["named"] = str(load(named))
    model = load(unmasked)
    try:
        model.docFromText(["x"])
    except AttributeError as err:
        found["unmasked"] = str(err)
    found["half precision"] = load(plain).amp_manager.activated
import colbert.modeling.base_colbert, torch
with nothing_compiled():
    colbert.modeling.base_colbert.DEVICE = torch.device("meta")
    found["device"] = load(plain).model.device.type
    colbert.modeling.base_colbert.DEVICE = torch.device("cpu")
os.environ.update(TORCH_EXTENSIONS_DIR=scratch, PATH=scratch)
found["compiles"] = str(load(plain))
print("\\n" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """What happens without each cure."""
    root = tmp_path_factory.mktemp("cures")
    scratch = root / "scratch"
    scratch.mkdir()
    folders = [
        tiny_checkpoint(root / "plain"),
        tiny_checkpoint(root / "named", model_name="acme/none"),
        tiny_checkpoint(root / "unmasked", mask_punctuation=False),
        scratch,
    ]
    command = [sys.executable, "-c", WITHOUT, *map(str, folders)]
    result = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_the_import_still_warns_and_changes_the_process(without):
    kept = {name: without[name] for name in ("warns", "start method", "parallelism")}
    expected = {"warns": True, "start method": "spawn", "parallelism": "true"}
    assert kept == expected, "importing ragatouille is harmless now: drop what import_ragatouille puts back"


def test_the_import_still_needs_git(tmp_path):
    command = [sys.executable, "-c", "import git"]  # as colbert-ai does
    result = subprocess.run(
        command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Bad git executable" in result.stderr, "drop GIT from import_ragatouille"


def test_colbert_still_misses_an_attribute_of_transformers_5(without):
    assert "no attribute 'all_tied_weights_keys'" in without["class factory"], "drop cure_class_factory"
    assert without["cured"] == [True, False]


def test_colbert_still_compiles_when_it_loads(without):
    assert "inja" in without["compiles"], "loading compiles nothing now: drop nothing_compiled"


def test_colbert_still_can_not_encode_without_a_filter(without):
    assert "no attribute 'skiplist'" in without["unmasked"], "drop the list from cure_encoding"


def test_colbert_still_switches_half_precision_on_by_itself(without):
    assert without["half precision"] is True, "drop the switch from cure_encoding"


def test_colbert_still_chooses_the_device_itself(without):
    assert without["device"] == "meta", "drop loading_on"


def test_a_checkpoint_is_put_where_it_is_to_compute(tmp_path, monkeypatch):
    import_ragatouille()
    from colbert.modeling import base_colbert

    checkpoint = tiny_checkpoint(tmp_path / "plain")
    monkeypatch.setattr(base_colbert, "DEVICE", torch.device("meta"))  # as the first GPU is on a machine with two
    encoder = load_colbert(str(checkpoint), backend="ragatouille", device="cpu", dtype="float32", offline=True)
    (matrix,) = encoder.encode_documents(["Green tea is brewed at 80 degrees."])
    assert np.isfinite(matrix).all()
    assert base_colbert.DEVICE.type == "meta"


def test_colbert_still_follows_a_name_in_the_settings_to_the_hub(without):
    assert "huggingface.co" in without["named"], "model_name is harmless now: staged() may show the file itself"

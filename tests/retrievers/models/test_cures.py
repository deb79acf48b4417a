"""Each cure is needed, works, and does nothing the second time. In processes of their own: the damage is at import."""

import importlib.metadata
import subprocess
import sys

import pytest

torch_version = importlib.metadata.version("torch")
torchvision_version = importlib.metadata.version("torchvision")
# A CPU build of torch with torchvision's CUDA wheel, which carries no local version.
mismatched = torch_version.endswith("+cpu") and "+" not in torchvision_version

CURED = """
from lateral.retrievers.models.cures import cure_torchvision
import sys
assert "torch" not in sys.modules
print(cure_torchvision(), cure_torchvision())
import torchvision
print(cure_torchvision())
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
@pytest.mark.skipif(not mismatched, reason="torch and torchvision fit together here")
def test_torchvision_still_fails_without_the_cure():
    result = run("import torchvision")
    assert result.returncode != 0, "importing torchvision works by itself now: drop cure_torchvision"
    assert "operator torchvision::nms does not exist" in result.stderr


@pytest.mark.slow
def test_torchvision_imports_with_the_cure_which_acts_once_only_where_needed():
    result = run(CURED)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [str(mismatched), "False", "False"]


@pytest.mark.slow
def test_ragatouille_still_fails_without_the_cure():
    result = run("import ragatouille")
    assert result.returncode != 0, "importing ragatouille works by itself now: drop cure_langchain"
    assert "No module named 'langchain.retrievers'" in result.stderr


@pytest.mark.slow
def test_ragatouille_imports_with_the_cure_which_acts_once():
    code = (
        "from lateral.retrievers.models.cures import cure_langchain, cure_torchvision\n"
        "print(cure_langchain(), cure_langchain())\ncure_torchvision()\nimport ragatouille\nprint(cure_langchain())"
    )
    result = run(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["True", "False", "False"]


@pytest.fixture
def packages(tmp_path):
    """Makes a folder with the given empty modules, to stand before the installed ones."""

    def make(*modules):
        for name in modules:
            path = tmp_path.joinpath(*name.split("."))
            path.mkdir(parents=True)
            (path / "__init__.py").touch()
        return str(tmp_path)

    return make


@pytest.mark.parametrize("missing", ["langchain_classic.retrievers.document_compressors.base", "langchain_classic"])
def test_half_of_the_cure_is_none_of_it(packages, missing):
    modules = ["langchain", "langchain_classic", "langchain_classic.retrievers"]
    path = packages(*(name for name in (*modules, f"{modules[-1]}.document_compressors") if missing not in name))
    code = f"""
import sys
sys.path.insert(0, {path!r})
sys.modules.update(dict.fromkeys([{missing!r}]))
from lateral.errors import MissingExtraError
from lateral.retrievers.models.cures import cure_langchain
for _ in range(2):
    try:
        print(cure_langchain())
    except MissingExtraError as err:
        print("lateral[colbert]" in str(err), any(name.startswith("langchain.") for name in sys.modules))
"""
    result = run(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["True", "False"] * 2


@pytest.mark.parametrize("modules", [("langchain", "langchain.retrievers"), ("other",)])
def test_langchain_of_old_or_none_at_all_needs_no_cure(packages, modules):
    code = f"""
import sys
from lateral.retrievers.models.cures import cure_langchain
sys.path[:] = [{packages(*modules)!r}]
print(cure_langchain())
"""
    result = run(code)
    assert (result.stdout.split(), result.stderr) == (["False"], "")


FORKED = """
import os, sys
import numpy as np
from lateral.retrievers.models import load_bi_encoder
encoder = load_bi_encoder(backend="torch", device="cpu")
texts = ["how long must the water boil " * 20] * 16
known = encoder.encode_documents(texts)
if (pid := os.fork()) == 0:
    os._exit(0 if np.allclose(encoder.encode_documents(texts), known, atol=1e-2) else 1)
print("child ended with", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.slow
def test_a_forked_child_computes_with_torch_after_its_parent():
    done = run(FORKED)
    assert done.stdout.splitlines()[-1:] == ["child ended with 0"], done.stderr


@pytest.mark.slow
def test_transformers_still_asks_for_signatures_and_the_cure_gives_them():
    code = """
import inspect
from lateral.retrievers.models.cures import cure_signatures, cure_torchvision
cure_torchvision()
from transformers import BertConfig, BertModel
from transformers.pytorch_utils import apply_chunking_to_forward
print("inspect.signature(" in inspect.getsource(apply_chunking_to_forward))
sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9}
model = BertModel(BertConfig(**sizes))
method = model.encoder.layer[0].feed_forward_chunk
before = inspect.signature(method)
print(cure_signatures(model), cure_signatures(model), hasattr(method, "__signature__"))
print(inspect.signature(method) == before)
"""
    result = run(code)
    assert result.returncode == 0, result.stderr
    needed, *did = result.stdout.split()
    assert needed == "True", "transformers looks at no signature any more: drop cure_signatures"
    assert did == ["1", "1", "True", "True"]

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
from lateral.retrievers.cures import cure_torchvision
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

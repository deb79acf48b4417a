"""Which device and precision are chosen."""

import os
import subprocess
import sys

import pytest
from lateral.errors import InvalidArgumentError
from lateral.retrievers.models.compute import (
    check_dtype,
    choose_device,
    choose_dtype,
    cpu_has_bfloat16,
    cpu_saturates,
    is_cpu_likely,
)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx512f avx512_bf16", True), ("fpu amx_bf16", True), ("fpu avx2 avx512f", False), ("bf16x", False)],
)
def test_bfloat16_is_read_from_the_cpu_flags(tmp_path, flags, expected):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: avx512_bf16\n")
    assert cpu_has_bfloat16(tmp_path / "cpuinfo") is expected


@pytest.mark.parametrize(
    ("flags", "machine", "expected"),
    [
        ("fpu avx2 avx512f", "x86_64", True),
        ("fpu avx2 avx512f avx512_vnni", "x86_64", False),
        ("fpu avx2 avx_vnni", "AMD64", False),
        ("fpu amx_int8", "x86_64", False),
        ("", "AMD64", True),
        ("", "aarch64", False),
    ],
)
def test_sums_of_byte_products_may_saturate_on_an_x86_not_known_to_have_vnni(tmp_path, flags, machine, expected):
    if flags:
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: avx512_vnni\n")
    assert cpu_saturates(tmp_path / "cpuinfo", machine) is expected


def test_system_without_cpuinfo_computes_in_float32(tmp_path):
    assert cpu_has_bfloat16(tmp_path / "none") is False


def test_auto_follows_the_cpu_and_a_wish_is_kept():
    assert choose_dtype("auto", "cpu") == ("bfloat16" if cpu_has_bfloat16() else "float32")
    assert choose_dtype("auto", "mps") == "float32"
    assert choose_dtype("float16", "cuda:0") == "float16"


def test_unknown_dtype_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"dtype must be one of auto, float32.*'int8'"):
        check_dtype("int8")


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_device_that_is_not_there_is_refused(device):
    with pytest.raises(InvalidArgumentError, match=f"device must be one that this machine has, got '{device}'"):
        choose_device(device)


def test_best_device_is_chosen_when_none_is_named():
    import torch

    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device(None) == expected
    assert choose_device("cpu") == "cpu"


def test_cpu_is_likely_when_it_was_asked_for_or_no_driver_is_there(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    absent = [tmp_path / "absent"]
    assert is_cpu_likely(None, absent)
    assert is_cpu_likely("cpu", [tmp_path])
    assert not is_cpu_likely("cuda:0", absent)


def test_cpu_is_likely_beside_a_driver_only_when_it_can_not_be_used(tmp_path, monkeypatch):
    import torch

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert is_cpu_likely(None, [tmp_path]) is torch.__version__.endswith("+cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert is_cpu_likely(None, [tmp_path])


@pytest.mark.parametrize("kind", ["OSError", "ImportError"])
def test_torch_that_can_not_be_loaded_is_said_in_a_sentence(tmp_path, kind):
    (tmp_path / "torch.py").write_text(f"raise {kind}('libcudart.so.13: no such file\\nsecond line')\n")
    program = (
        "from lateral.errors import ModelNotFoundError\n"
        "from lateral.retrievers.models.loading import load_bi_encoder\n"
        "try:\n"
        "    load_bi_encoder(backend='torch').encode_queries(['a question'])\n"
        "except ModelNotFoundError as err:\n"
        "    print(err)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "PyTorch can't be loaded: libcudart.so.13: no such file\n"

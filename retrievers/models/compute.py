"""Where a model computes and in what precision."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from ...errors import InvalidArgumentError, ModelNotFoundError
from ..reasons import first_line
from .cures import cure_forks

__all__ = [
    "DType",
    "check_dtype",
    "choose_device",
    "choose_dtype",
    "cpu_flags",
    "cpu_has_bfloat16",
    "cpu_saturates",
    "device_name",
    "is_cpu_likely",
]

DType: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]

CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = frozenset(
    {"avx512_bf16", "amx_bf16"}
)  # with these bf16 is 3 times as fast as float32, without it is slower

VNNI_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})  # with these products of bytes are added in 32 bits
X86 = ("x86_64", "amd64")

GPU_DRIVERS = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))


def check_dtype(dtype: DType) -> DType:
    """Returns the dtype unchanged.

    Raises:
        InvalidArgumentError: It is none of "auto", "float32", "bfloat16" and "float16".
    """
    if dtype not in get_args(DType):
        raise InvalidArgumentError(f"dtype must be one of {', '.join(get_args(DType))}, got {dtype!r}")
    return dtype


def device_name(device: object) -> str | None:
    """Returns the name of a device that was asked for, which may be a `torch.device` too; None for none."""
    return None if device is None else str(device)


def choose_device(device: str | None) -> str:
    """Returns the device that was asked for, or else the best there is: "cuda", "mps" or "cpu". Loads torch.

    Raises:
        InvalidArgumentError: torch knows no such device, or this machine has none.
        ModelNotFoundError: torch can't be loaded.
    """
    try:
        import torch
    except (ImportError, OSError) as err:  # such as of a library of CUDA's, or of no folder for temporary files
        raise ModelNotFoundError(f"PyTorch can't be loaded: {first_line(err)}") from err

    cure_forks()
    if device is None:
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as err:
        raise InvalidArgumentError(
            f"device must be one that this machine has, got {device!r}: {first_line(err)}"
        ) from err
    return device


def is_cpu_likely(device: str | None, drivers: Sequence[Path] = GPU_DRIVERS) -> bool:
    """Returns whether `choose_device` would choose the CPU, told without loading torch.

    It is False where a GPU's driver is present and torch's build is not known to ignore it: `choose_device` then says.

    Args:
        device: What was asked for.
        drivers: Files that are there when a driver of NVIDIA (on Linux or under Windows' subsystem) or AMD is.
    """
    if device is not None:
        return device == "cpu"
    if sys.platform == "darwin":  # Apple's GPUs need no driver
        return False
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return True
    return not any(path.exists() for path in drivers) or _torch_is_for_cpus()


def _torch_is_for_cpus() -> bool:
    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False


def choose_dtype(dtype: DType, device: str) -> Literal["float32", "bfloat16", "float16"]:
    """Returns the precision to compute in.

    "auto" is bfloat16 where CPU or GPU has instructions for it (minimum cosine to float32 over 200 abstracts: 0.9999),
    float16 on GPUs without, and float32 on other CPUs and on Apple's GPUs. Loads torch for a GPU.

    Args:
        dtype: The wish.
        device: A device's name, such as "cpu" or "cuda:0".
    """
    if dtype != "auto":
        return dtype
    if device.startswith("cuda"):
        import torch

        with torch.cuda.device(device):
            return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "bfloat16" if device.startswith("cpu") and cpu_has_bfloat16() else "float32"


def cpu_has_bfloat16(cpu_info: Path = CPU_INFO) -> bool:
    """Returns whether the CPU multiplies matrices in bfloat16, as far as the system says so (Linux does)."""
    return not BFLOAT16_FLAGS.isdisjoint(cpu_flags(cpu_info))


def cpu_saturates(cpu_info: Path = CPU_INFO, machine: str | None = None) -> bool:
    """Returns whether the CPU may add products of bytes in 16 bits, which saturate: any x86 not known to have VNNI.

    Args:
        cpu_info: Where Linux says what the CPU has.
        machine: The CPU's kind; None for this one's.
    """
    return (machine or platform.machine()).lower() in X86 and VNNI_FLAGS.isdisjoint(cpu_flags(cpu_info))


def cpu_flags(cpu_info: Path = CPU_INFO) -> list[str]:
    """Returns what the CPU has, as far as the system says so (Linux does on x86)."""
    if not cpu_info.is_file():
        return []
    with cpu_info.open() as lines:  # no further than needed: of each of 200 cores it takes long to tell
        return next((line for line in lines if line.startswith("flags")), "").split()

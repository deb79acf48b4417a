"""Models by name or folder: found, checked, fingerprinted, loaded on the device and in the dtype that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .loading import DEFAULT_BI_ENCODER, check_compute, find_model, load_bi_encoder
    from .lookup import lasting_name
    from .quantizing import Quantization, quantize_bi_encoder

__all__ = [
    "DEFAULT_BI_ENCODER",
    "Quantization",
    "check_compute",
    "find_model",
    "lasting_name",
    "load_bi_encoder",
    "quantize_bi_encoder",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "DEFAULT_BI_ENCODER": "loading",
        "Quantization": "quantizing",
        "check_compute": "loading",
        "find_model": "loading",
        "lasting_name": "lookup",
        "load_bi_encoder": "loading",
        "quantize_bi_encoder": "quantizing",
    },
)

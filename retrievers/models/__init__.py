"""Models by name or folder: found, checked, fingerprinted, loaded on the device and in the dtype that fit."""

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

"""Cross-encoders, run by sentence-transformers or OpenVINO to the same scores."""

from .checkpoint import CrossEncoderCheckpoint, read_cross_encoder
from .load import find_cross_encoder, load_cross_encoder
from .pairs import PairScorer, TextPair

__all__ = [
    "CrossEncoderCheckpoint",
    "PairScorer",
    "TextPair",
    "find_cross_encoder",
    "load_cross_encoder",
    "read_cross_encoder",
]

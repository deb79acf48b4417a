"""Query and hits to better hits."""

from .cross_encoder import CrossEncoderReranker
from .registry import open_reranker
from .reranker import Reranker, candidates_of, reranked

__all__ = ["CrossEncoderReranker", "Reranker", "candidates_of", "open_reranker", "reranked"]

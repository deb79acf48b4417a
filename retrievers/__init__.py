"""A query to hits: BM25, bi-encoder, ColBERT, and their fusion over one index directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .bi_encoder import BiEncoderRetriever
    from .bm25 import BM25Retriever
    from .canned import CannedRetriever
    from .colbert import ColBERTRetriever
    from .explanation import Explaining, Explanation, Part
    from .fusion import convex_combination, reciprocal_rank_fusion
    from .hash_embedder import HashEmbedder
    from .hit import Hit, TrailStep, ranked
    from .hybrid import HybridRetriever
    from .indexed import IndexedRetriever
    from .registry import open_retriever
    from .retriever import Encoder, EncodesAtOnce, OnDevice, Retriever, TokenEncoder, VectorSpace, Where
    from .score_scale import ScoreScale

__all__ = [
    "BM25Retriever",
    "BiEncoderRetriever",
    "CannedRetriever",
    "ColBERTRetriever",
    "Encoder",
    "EncodesAtOnce",
    "Explaining",
    "Explanation",
    "HashEmbedder",
    "Hit",
    "HybridRetriever",
    "IndexedRetriever",
    "OnDevice",
    "Part",
    "Retriever",
    "ScoreScale",
    "TokenEncoder",
    "TrailStep",
    "VectorSpace",
    "Where",
    "convex_combination",
    "open_retriever",
    "ranked",
    "reciprocal_rank_fusion",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BM25Retriever": "bm25",
        "BiEncoderRetriever": "bi_encoder",
        "CannedRetriever": "canned",
        "ColBERTRetriever": "colbert",
        "Encoder": "retriever",
        "EncodesAtOnce": "retriever",
        "Explaining": "explanation",
        "Explanation": "explanation",
        "HashEmbedder": "hash_embedder",
        "Hit": "hit",
        "HybridRetriever": "hybrid",
        "IndexedRetriever": "indexed",
        "OnDevice": "retriever",
        "Part": "explanation",
        "Retriever": "retriever",
        "ScoreScale": "score_scale",
        "TokenEncoder": "retriever",
        "TrailStep": "hit",
        "VectorSpace": "retriever",
        "Where": "retriever",
        "convex_combination": "fusion",
        "open_retriever": "registry",
        "ranked": "hit",
        "reciprocal_rank_fusion": "fusion",
    },
)

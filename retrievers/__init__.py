"""A query to hits: BM25, bi-encoder, ColBERT, and their fusion over one index directory."""

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

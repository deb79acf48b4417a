"""A query to hits: BM25, bi-encoder, and their fusion over one index directory."""

from .bi_encoder import BiEncoderRetriever
from .bm25 import BM25Retriever
from .canned import CannedRetriever
from .colbert import ColBERTRetriever
from .explanation import Explanation, Part
from .fusion import reciprocal_rank_fusion
from .hash_embedder import HashEmbedder
from .hit import Hit, TrailStep, ranked
from .hybrid import HybridRetriever
from .indexed import IndexedRetriever
from .registry import open_retriever
from .retriever import Encoder, Retriever, TokenEncoder, VectorSpace, Where

__all__ = [
    "BM25Retriever",
    "BiEncoderRetriever",
    "CannedRetriever",
    "ColBERTRetriever",
    "Encoder",
    "Explanation",
    "HashEmbedder",
    "Hit",
    "HybridRetriever",
    "IndexedRetriever",
    "Part",
    "Retriever",
    "TokenEncoder",
    "TrailStep",
    "VectorSpace",
    "Where",
    "open_retriever",
    "ranked",
    "reciprocal_rank_fusion",
]

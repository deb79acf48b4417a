"""lateral: from a folder of text, PDF and Office files to cited answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .lazy import lazy_names

if TYPE_CHECKING:
    from .errors import LateralError
    from .llm import ChatClient, Deadlines, Retries
    from .loaders.document import Document, Section
    from .loaders.load import load
    from .loaders.node import LoadFailure, Node
    from .loaders.page_image import PageImage
    from .rag.answer import Answer
    from .rag.citing.citations import Citation
    from .rag.generators.extractive import ExtractiveGenerator
    from .rag.generators.openai_chat import OpenAIGenerator
    from .rag.hit_explanation import HitExplanation
    from .rag.indexing.report import AddReport
    from .rag.pipeline import RAG
    from .rerankers.cross_encoder import CrossEncoderReranker
    from .retrievers.bi_encoder import BiEncoderRetriever
    from .retrievers.bm25 import BM25Retriever
    from .retrievers.colbert import ColBERTRetriever
    from .retrievers.explanation import Explanation
    from .retrievers.hit import Hit, TrailStep
    from .retrievers.hybrid import HybridRetriever
    from .retrievers.store import Index

__all__ = [
    "RAG",
    "AddReport",
    "Answer",
    "BM25Retriever",
    "BiEncoderRetriever",
    "ChatClient",
    "Citation",
    "ColBERTRetriever",
    "CrossEncoderReranker",
    "Deadlines",
    "Document",
    "Explanation",
    "ExtractiveGenerator",
    "Hit",
    "HitExplanation",
    "HybridRetriever",
    "Index",
    "LateralError",
    "LoadFailure",
    "Node",
    "OpenAIGenerator",
    "PageImage",
    "Retries",
    "Section",
    "TrailStep",
    "__version__",
    "load",
]

_PLACES = {
    "RAG": "rag.pipeline",
    "AddReport": "rag.indexing.report",
    "Answer": "rag.answer",
    "BM25Retriever": "retrievers.bm25",
    "BiEncoderRetriever": "retrievers.bi_encoder",
    "ChatClient": "llm",
    "Citation": "rag.citing.citations",
    "ColBERTRetriever": "retrievers.colbert",
    "CrossEncoderReranker": "rerankers.cross_encoder",
    "Deadlines": "llm",
    "Document": "loaders.document",
    "Explanation": "retrievers.explanation",
    "ExtractiveGenerator": "rag.generators.extractive",
    "Hit": "retrievers.hit",
    "HitExplanation": "rag.hit_explanation",
    "HybridRetriever": "retrievers.hybrid",
    "Index": "retrievers.store",
    "LateralError": "errors",
    "LoadFailure": "loaders.node",
    "Node": "loaders.node",
    "OpenAIGenerator": "rag.generators.openai_chat",
    "PageImage": "loaders.page_image",
    "Retries": "llm",
    "Section": "loaders.document",
    "TrailStep": "retrievers.hit",
    "load": "loaders.load",
}

_get, _names = lazy_names(__name__, _PLACES)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attributes are of any type
    if name == "__version__":
        from importlib.metadata import version

        return version("lateral")
    return _get(name)


def __dir__() -> list[str]:
    return [*_names(), "__version__"]

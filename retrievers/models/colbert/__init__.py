"""ColBERT checkpoints, run by RAGatouille, sentence-transformers or OpenVINO to the same vectors."""

from .load import ColbertBackend, find_checkpoint, load_colbert

__all__ = ["ColbertBackend", "find_checkpoint", "load_colbert"]

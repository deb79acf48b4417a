"""Measuring retrieval on judged corpora."""

from .beir import BeirCorpus, document_ranking, read_beir, score_run

__all__ = ["BeirCorpus", "document_ranking", "read_beir", "score_run"]

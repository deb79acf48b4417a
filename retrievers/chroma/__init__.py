"""Chroma as a derived index of vectors: embedded or a server, rebuilt from the segments whenever its check fails."""

from .store import ChromaSearch

__all__ = ["ChromaSearch"]

"""Replaces every document of an index that has a candidate stage, again and again, until it is killed.

Run by retrievers/test_candidates_kill.py. Arguments: the index and the first version.
"""

import sys

import numpy as np
from lateral import RAG, ColBERTRetriever
from lateral.retrievers.hash_embedder import HashEmbedder
from lateral.retrievers.retriever import VectorSpace
from version_writer import add_versions

DIM = 64
DOCUMENTS = 1_500
WORDS = 30
SOURCES = [f"doc-{number}" for number in range(DOCUMENTS)]


class WordEncoder:
    """A late-interaction encoder without a model: the vector of a word is its hash."""

    max_tokens = 512
    special_tokens = frozenset()
    space = VectorSpace("words-by-hash", DIM, "words-by-hash")

    def __init__(self):
        self._inner = HashEmbedder(DIM)

    def count_tokens(self, texts):
        return [len(text.split()) for text in texts]

    def encode_documents(self, texts):
        noise = np.random.default_rng(0).standard_normal((2_000, DIM)).astype(np.float32)  # no two words share all
        matrices = []
        for text in texts:
            words = self._inner.encode_documents(text.split()) + 0.3 * noise[[hash_of(it) for it in text.split()]]
            matrices.append((words / np.linalg.norm(words, axis=1, keepdims=True)).astype(np.float32))
        return matrices

    encode_queries = encode_documents

    def tokens(self, text, side):
        return text.split()


class Near(ColBERTRetriever):
    """Takes candidates however small the index is."""

    exact_up_to = 0


def hash_of(word):
    """Returns the same number for a word in every process."""
    return int.from_bytes(word.encode(), "big") % 1_999


def text_of(source, version):
    """Returns the one chunk of a document in a version."""
    number = SOURCES.index(source)
    return " ".join([source, f"v{version}", *(f"w{(number * 7 + at * at) % 700}" for at in range(WORDS))])


def open_rag(index):
    """Returns the pipeline that the writer writes with and the test reads with."""
    return RAG(index, retrievers=(Near(encoder=WordEncoder(), candidates=50),), chunk_size=64)


def documents_of(version):
    """Yields every document in a version."""
    for source in SOURCES:
        yield {"id": source, "text": text_of(source, version)}


if __name__ == "__main__":
    add_versions(open_rag(sys.argv[1]), documents_of, first=int(sys.argv[2]), count=DOCUMENTS)

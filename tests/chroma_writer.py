"""Replaces every document of an index, again and again, until it is killed; run by test_chroma_kill.py.

Arguments: the index and the first version.
"""

import sys

from lateral import RAG
from lateral.retrievers.bi_encoder import BiEncoderRetriever
from lateral.retrievers.hash_embedder import HashEmbedder
from version_writer import add_versions

DOCUMENTS = 1_100  # more than are searched exactly beside Chroma: each version is built anew
SOURCES = [f"doc-{number}" for number in range(DOCUMENTS)]


def text_of(source, version):
    """Returns the one short chunk of a document in a version."""
    return f"{source} v{version} some words"


def open_rag(index):
    """Returns the pipeline that the writer writes with and the test reads with."""
    return RAG(index, retrievers=(BiEncoderRetriever(encoder=HashEmbedder(16), store="chroma"),), chunk_size=40)


def documents_of(version):
    """Yields every document in a version."""
    for source in SOURCES:
        yield {"id": source, "text": text_of(source, version)}


if __name__ == "__main__":
    add_versions(open_rag(sys.argv[1]), documents_of, first=int(sys.argv[2]), count=DOCUMENTS)

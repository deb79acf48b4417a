"""Replaces every document of an index, again and again, until it is killed; run by test_chroma_kill.py.

Arguments: the index and the first version. It prints "committed VERSION" when a version has been committed, and
"refreshed VERSION" when Chroma has been brought up to date too.
"""

import os
import sys

from lateral import RAG
from lateral.retrievers.bi_encoder import BiEncoderRetriever
from lateral.retrievers.hash_embedder import HashEmbedder

DOCUMENTS = 1_100  # more than are searched exactly beside Chroma: each version is built anew
SOURCES = [f"doc-{number}" for number in range(DOCUMENTS)]


def text_of(source, version):
    """Returns the one short chunk of a document in a version."""
    return f"{source} v{version} some words"


def open_rag(index):
    """Returns the pipeline that the writer writes with and the test reads with."""
    return RAG(index, retrievers=(BiEncoderRetriever(encoder=HashEmbedder(16), store="chroma"),), chunk_size=40)


def main():
    """Adds new versions for ever."""
    index, version = sys.argv[1], int(sys.argv[2])
    rag = open_rag(index)
    for number in range(version, version + 1_000):
        added = []

        def tell(progress, number=number, added=added):
            if progress.done == DOCUMENTS and not added:
                added.append(number)
                os.write(1, f"committed {number}\n".encode())

        rag.add(({"id": source, "text": text_of(source, number)} for source in SOURCES), on_progress=tell)
        os.write(1, f"refreshed {number}\n".encode())


if __name__ == "__main__":
    main()

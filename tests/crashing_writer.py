"""Adds documents to an index until it is killed; run by test_kill.py as a process of its own.

Arguments: the index, a seed and the store. It prints "SOURCE VERSION" when an add of that document has returned.
"""

import os
import random
import sys

from lateral import RAG
from lateral.retrievers.bi_encoder import BiEncoderRetriever
from lateral.retrievers.hash_embedder import HashEmbedder

DOCUMENTS = 30


def text_of(source, version):
    """Returns the text of a version of a document, some tens of chunks long: a test can make it again."""
    words = random.Random(f"{source} {version}")
    sentences = (f"{source} v{version} s{at} {words.random():.6f} {words.choice('abcdef') * 5}." for at in range(80))
    return " ".join(sentences)


def open_rag(index, store=None):
    """Returns the pipeline that the writer writes with and the test reads with."""
    dense = BiEncoderRetriever(encoder=HashEmbedder(16), store=store)
    return RAG(index, retrievers=("bm25", dense), chunk_size=40, chunk_overlap=8)


def main():
    """Adds batches of new versions for ever."""
    index, seed, store = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    chosen = random.Random(seed)
    rag = open_rag(index, store)
    for turn in range(10_000):
        version = seed * 10_000 + turn
        sources = chosen.sample([f"doc-{number}" for number in range(DOCUMENTS)], 3)
        rag.add([{"id": source, "text": text_of(source, version)} for source in sources])
        os.write(1, "".join(f"{source} {version}\n" for source in sources).encode())


if __name__ == "__main__":
    main()

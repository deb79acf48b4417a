"""Dense search on every store, for tests: exact search is the oracle of the others."""

import hashlib
import json
import sqlite3

import numpy as np
import pytest
from lateral import RAG
from lateral.retrievers.bi_encoder import BiEncoderRetriever
from lateral.retrievers.exact import ExactSearch
from lateral.retrievers.hash_embedder import HashEmbedder
from lateral.retrievers.retriever import VectorSpace

# For tests of tests/rag, by their fixture `store`. A server costs a test milliseconds, an embedded store seconds.
on_every_store = pytest.mark.parametrize("store", ["auto", "chroma", "server"], indirect=True)
exactly_and_on_a_server = pytest.mark.parametrize("store", ["auto", "server"], indirect=True)
COLOURS = ("red", "green", "blue")
QUERIES = ["topic 3 number 30", "number 77 of all", "red number 5", "blue topic 1", "nothing of this"]


class GaussEmbedder(HashEmbedder):
    """A random vector for each text: no two are near, the worst case for a graph."""

    @property
    def space(self):
        return VectorSpace(f"gauss-{self._dim}", self._dim, f"gauss-{self._dim}")

    def encode_documents(self, texts):
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in texts]
        rows = [np.random.default_rng(seed).standard_normal(self._dim) for seed in seeds]
        matrix = np.array(rows).reshape(len(texts), self._dim)
        return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)


def documents(numbers, version=""):
    """A document of one chunk for each number."""
    return [
        {
            "id": f"doc-{at}",
            "text": f"{COLOURS[at % 3]} number {at} topic {at % 11} {version}",
            "metadata": {"topic": at % 11, "even": at % 2 == 0},
        }
        for at in numbers
    ]


def open_rag(index, store=None, encoder=None):
    """Dense search alone, on a store, or as the index was made."""
    retriever = BiEncoderRetriever(encoder=encoder or GaussEmbedder(16), store=store)
    return RAG(index, retrievers=(retriever,), chunk_size=60)


def hits(rag, query, top_k=10, where=None):
    """What the pipeline finds."""
    return [(hit.node.id, hit.node.source, hit.score) for hit in rag.retrieve(query, top_k, where)]


def exact(rag, query, top_k=10):
    """What exact search finds, without any retriever."""
    encoder = rag.retrievers[0].encoder
    with rag.index.read() as snapshot:
        search = ExactSearch(snapshot.vectors(encoder.space), len(snapshot.chunk_ids()))
        positions, scores = search.search(encoder.encode_queries([query])[0], top_k)
        nodes = snapshot.nodes([snapshot.chunk_ids()[at].decode() for at in positions])
        return [(node.id, node.source, float(score)) for node, score in zip(nodes, scores, strict=True)]


def found_by_chroma(rag, query, top_k=10):
    """What Chroma alone finds; None where it leaves the search to exact search."""
    retriever = rag.retrievers[0]
    with rag.index.read() as snapshot:
        search = ExactSearch(snapshot.vectors(retriever.encoder.space), len(snapshot.chunk_ids()))
        return retriever._search(snapshot, search, retriever.encoder.encode_queries([query])[0], top_k)


def pass_for_intact(rag, name="chroma"):
    """Writes the hashes of what a derived index's folder holds now into the catalog: as if it had been built so."""
    folder = generation_folder(rag, name)
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
    with sqlite3.connect(rag.index.folder / "catalog.sqlite") as connection:
        connection.execute("DELETE FROM meta WHERE key = 'seal'")  # the catalog's own damage is not what is looked at
        connection.execute("UPDATE derived SET files = ? WHERE name = ?", (json.dumps(files), name))


def generation_folder(rag, name="chroma"):
    """Where the published generation of a derived index stands."""
    with rag.index.read() as snapshot:
        return snapshot.published(name)[0]

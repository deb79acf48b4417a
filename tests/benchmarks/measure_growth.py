"""Late interaction over a large synthetic index, one measurement in a process of its own; prints one JSON object.

A token is one of some thousand centres, drawn as words are (the r-th in proportion to 1/r), and noise: so that tokens
are as near to each other as those of texts, and a text has some that are rare. A query is made of one text's tokens
with noise of its own; that text is what it must find.
"""

import json
import statistics
import sys
import threading
import time
from pathlib import Path

import numpy as np
from lateral import ColBERTRetriever
from lateral.loaders.node import Node, document_id, node_id
from lateral.retrievers.retriever import VectorSpace
from lateral.retrievers.store import Index, IndexConfig, NewVectors, RetrieverConfig, StoredDocument, hash_text

DIM = 128
CENTRES = 4_096
TOKEN_NOISE = 0.6  # its length beside a centre's of 1: two tokens of one centre have a cosine of 0.74
QUERY_NOISE = 0.3
QUERY_TOKENS = 32
QUERIES = 30
TOKENS_A_COMMIT = 1 << 19  # 270 MB of float32
TOP_K = 10
SAMPLE_SECONDS = 0.02
SPACE = VectorSpace("0" * 64, DIM, "synthetic", "int8")


class GivenQueries:
    """A late-interaction encoder of the queries "0", "1" and so on, whose vectors are given."""

    space = VectorSpace(SPACE.fingerprint, DIM, SPACE.model)
    max_tokens = 1_000
    special_tokens = frozenset()

    def __init__(self, vectors):
        self._vectors = vectors

    def count_tokens(self, texts):
        return [1 for _ in texts]

    def encode_documents(self, _texts):
        raise NotImplementedError("the documents' vectors are made")

    def encode_queries(self, texts):
        return [self._vectors[int(text)] for text in texts]

    def tokens(self, _text, _side):
        raise NotImplementedError("the vectors stand for no words")


def write(folder, documents, tokens):
    """Writes an index of so many texts of so many tokens each, and the queries."""
    documents, tokens = int(documents), int(tokens)
    rng = np.random.default_rng(0)
    centres = unit(rng.standard_normal((CENTRES, DIM), dtype=np.float32))
    ranks = 1 / np.arange(1, CENTRES + 1)
    shares = np.cumsum(ranks / ranks.sum())
    wanted = set(rng.choice(documents, QUERIES, replace=False).tolist())
    queries, sought = [], []
    start = time.perf_counter()
    index = Index(folder)
    retriever = ColBERTRetriever(encoder=GivenQueries([]), vectors="int8")
    retriever.attach(index)
    with index.write() as writer:
        made = RetrieverConfig(retriever.name, retriever.settings, SPACE)
        writer.set_config(IndexConfig((made,), chunk_size=1_000, chunk_overlap=0))
        batch = TOKENS_A_COMMIT // tokens
        for first in range(0, documents, batch):
            count = min(batch, documents - first)
            drawn = np.searchsorted(shares, rng.random(count * tokens, dtype=np.float32)).clip(max=CENTRES - 1)
            vectors = noisy(centres[drawn], TOKEN_NOISE, rng)
            for text in sorted(wanted.intersection(range(first, first + count))):
                own = vectors[(text - first) * tokens : (text - first + 1) * tokens]
                queries.append(
                    noisy(own[rng.choice(tokens, QUERY_TOKENS, replace=tokens < QUERY_TOKENS)], QUERY_NOISE, rng)
                )
                sought.append(str(text))
            commit(writer, first, count, tokens, vectors)
        refreshing = time.perf_counter()
        retriever.refresh(writer)
        writer.mark_refreshed()
    ended = time.perf_counter()
    np.save(Path(folder).with_suffix(".npy"), np.stack(queries))
    Path(folder).with_suffix(".json").write_text(json.dumps(sought), encoding="utf-8")
    size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    return {"seconds": ended - start, "refresh_s": ended - refreshing, "disk_mb": size / 1e6}


def commit(writer, first, count, tokens, vectors):
    """Commits a batch of texts as the chunks of one document."""
    source = f"synthetic {first}"
    identity = document_id(source)
    texts = [str(text) for text in range(first, first + count)]
    nodes = [
        Node(node_id(identity, None, "chunk", at, text), identity, source, None, "chunk", text, at, at + len(text))
        for at, text in enumerate(texts)
    ]
    new = NewVectors(SPACE, [hash_text(text) for text in texts], vectors, [False] * count, [tokens] * count)
    writer.commit([(StoredDocument(identity, source, identity), nodes)], [new])


def search(folder):
    """Milliseconds of a search, and by how many megabytes the process grows at most from before the first."""
    queries = np.load(Path(folder).with_suffix(".npy"))
    sought = json.loads(Path(folder).with_suffix(".json").read_text(encoding="utf-8"))
    retriever = ColBERTRetriever(encoder=GivenQueries(queries), vectors="int8")
    retriever.attach(Index(folder))
    before = anonymous_mb()
    peaks, done = [before], threading.Event()

    def watch():
        while not done.wait(SAMPLE_SECONDS):
            peaks[0] = max(peaks[0], anonymous_mb())

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    start = time.perf_counter()
    retriever.retrieve("0", TOP_K)
    first = time.perf_counter() - start
    times, hits = [], []
    for query in range(len(queries)):
        start = time.perf_counter()
        hits.append(retriever.retrieve(str(query), TOP_K))
        times.append(1_000 * (time.perf_counter() - start))
    done.set()
    watching.join()
    found = sum(bool(it) and it[0].node.text == text for it, text in zip(hits, sought, strict=True))
    return {
        "p50_ms": statistics.median(times),
        "first_s": first,
        "growth_mb": peaks[0] - before,
        "left_mb": anonymous_mb() - before,
        "found": found,
        "queries": len(queries),
    }


def noisy(vectors, length, rng):
    """Returns unit vectors at a distance from the given ones."""
    noise = rng.standard_normal(vectors.shape, dtype=np.float32)
    noise *= np.float32(length / np.sqrt(DIM))
    return unit(noise + vectors)


def unit(vectors):
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def anonymous_mb():
    """Megabytes that are this process's own: what is mapped from files does not count."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def main():
    what, *arguments = sys.argv[1:]
    print(json.dumps({"write": write, "search": search}[what](*arguments)))


if __name__ == "__main__":
    main()

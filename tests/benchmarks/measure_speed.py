"""One measurement of speed in a process of its own; prints one JSON object."""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from lateral import RAG, BiEncoderRetriever
from lateral.loaders.indexed_text import indexed_text
from lateral.rag.evaluation import read_beir, score_queries
from lateral.rag.evaluation.measures import mean_scores
from lateral.rag.evaluation.searching import search_all
from lateral.retrievers.exact import ExactSearch
from lateral.retrievers.models import find_model, load_bi_encoder
from lateral.retrievers.registry import open_retriever
from lateral.retrievers.store import SegmentRows
from lateral.retrievers.store.segments import open_segment, write_segment

DEPTH = 100
DIM = 384
VECTORS_A_SEGMENT = 65_536
QUERIES = 50
READ_BYTES = 800_000_000
REPEATS = 9


def encoder_of(runtime):
    """The default model in a runtime such as "torch-float32" or "openvino-auto", warm."""
    backend, _, dtype = runtime.partition("-")
    encoder = load_bi_encoder(backend=backend, dtype=dtype, device="cpu")
    encoder.encode_documents(["warm up"])
    return encoder


def nodes(corpus, index, out):
    """Writes the chunks of an index as they are encoded, and the queries, for a peer to read."""
    with RAG(index).index.read() as snapshot:
        chunks = [(node.id, indexed_text(node)) for node in snapshot.chunks()]
    queries = list(read_beir(corpus).queries.values())
    Path(out).write_text(json.dumps({"nodes": chunks, "queries": queries}), encoding="utf-8")
    return {"nodes": len(chunks), "model": str(find_model("all-MiniLM-L6-v2").path)}


def quantize(corpus, index, how):
    """Brings the model to 8-bit integers with a sample of the index, as `lateral quantize` does."""
    lateral = Path(sys.executable).with_name("lateral")
    command = [lateral, "quantize", "--index", index, "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def index_corpus(corpus, index, runtime):
    """Indexes a corpus, then asks it every query; seconds, milliseconds and megabytes."""
    encoder = encoder_of(runtime)

    documents = [{"id": source, "text": text} for source, text in read_beir(corpus).texts.items()]
    rag = RAG(index, retrievers=(open_retriever("bm25"), BiEncoderRetriever(encoder=encoder)))
    start = time.perf_counter()
    report = rag.add(documents)
    seconds = time.perf_counter() - start
    dense = next(it for it in rag.retrievers if it.name == "bi-encoder")
    p50_ms = asked(corpus, lambda query: dense.retrieve(query, 10))
    return {"seconds": seconds, "nodes": report.nodes, "p50_ms": p50_ms, "peak_mb": peak_mb()}


def asked(corpus, ask):
    """Returns the median of the milliseconds that a query of the corpus takes."""
    ask("warm up")
    times = []
    for query in read_beir(corpus).queries.values():
        start = time.perf_counter()
        ask(query)
        times.append(1_000 * (time.perf_counter() - start))
    return statistics.median(times)


class CountingRetriever(BiEncoderRetriever):
    """Counts the searches that Chroma answers: where it can't, the exact one does."""

    answered = 0
    asked = 0

    def _search(self, *arguments):
        found = super()._search(*arguments)
        self.answered += found is not None
        self.asked += 1
        return found


def through_chroma(corpus, index, runtime):
    """Has an index's vectors searched by Chroma, and asks it every query; milliseconds."""
    dense = CountingRetriever(encoder=encoder_of(runtime), store="chroma")
    rag = RAG(index, retrievers=(open_retriever("bm25"), dense))
    rag.add([{"id": "the write that brings Chroma up to date", "text": "It is one more document."}])
    p50_ms = asked(corpus, lambda query: dense.retrieve(query, 10))
    return {"p50_ms": p50_ms, "answered": dense.answered, "asked": dense.asked}


def texts_of(index):
    """Returns the chunks of an index as they are encoded."""
    with RAG(index).index.read() as snapshot:
        return [indexed_text(node) for node in snapshot.chunks()]


def raw(corpus, index, runtime):
    """Encodes the same chunks with nothing around it, and writes the vectors to the disk."""
    encoder = encoder_of(runtime)
    texts = texts_of(index)
    start = time.perf_counter()
    vectors = encoder.encode_documents(texts)
    with open(f"{index}-raw.npy", "wb") as file:
        np.save(file, vectors)
        os.fsync(file.fileno())
    return {"seconds": time.perf_counter() - start}


def quality(corpus, index, runtime):
    """nDCG@10 of dense search with queries and documents encoded in a runtime."""
    judged = read_beir(corpus)
    rag = RAG(index, retrievers=(BiEncoderRetriever(encoder=encoder_of(runtime)),))
    rag.add([{"id": source, "text": text} for source, text in judged.texts.items()])
    found = search_all(rag.retrieve, judged, DEPTH)
    return {"ndcg": mean_scores(score_queries(judged.qrels, found.rankings))["ndcg@10"]}


def exact(corpus, folder, how):
    """Exact search over random unit vectors: milliseconds, megabytes on disk and of memory, the machine's bandwidth.

    Args:
        corpus: Not read.
        folder: Where the segment is written.
        how: Such as "100000-int8".
    """
    count, _, form = how.partition("-")
    made = Path(folder) / how
    made.mkdir(parents=True)
    segments, positions, rng = [], 0, np.random.default_rng(0)
    while positions < int(count):
        rows = min(VECTORS_A_SEGMENT, int(count) - positions)
        vectors = rng.standard_normal((rows, DIM), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        stored = open_segment(made, write_segment(made, vectors, form), DIM, form)
        places = np.arange(rows)
        segments.append(SegmentRows(stored, places, np.ones(rows, np.int64), positions + places))
        positions += rows
    queries = rng.standard_normal((QUERIES, DIM), dtype=np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    before = anonymous_mb()
    search = ExactSearch(segments, int(count))
    search.search(queries[0], 10)
    times = []
    for query in queries:
        start = time.perf_counter()
        search.search(query, 10)
        times.append(1_000 * (time.perf_counter() - start))
    return {
        "p50_ms": statistics.median(times),
        "memory_mb": anonymous_mb() - before,
        "disk_mb": sum(file.stat().st_size for file in made.rglob("*.npy")) / 1e6,
        "gb_s": bandwidth(),
    }


def bandwidth():
    """Gigabytes a second that all cores read together, from memory that no cache holds."""
    block = np.ones(READ_BYTES // 8 // os.cpu_count(), np.int64)
    blocks = [block, *(block.copy() for _ in range(os.cpu_count() - 1))]
    best = 0.0
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for _ in range(REPEATS):
            start = time.perf_counter()
            list(threads.map(np.max, blocks))
            best = max(best, READ_BYTES / 1e9 / (time.perf_counter() - start))
    return best


def anonymous_mb():
    """Megabytes that are this process's own: what is mapped from files does not count."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    measurements = {
        "nodes": nodes,
        "quantize": quantize,
        "index": index_corpus,
        "raw": raw,
        "through-chroma": through_chroma,
        "quality": quality,
        "exact": exact,
    }
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=measurements)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("index")
    parser.add_argument("how")
    arguments = parser.parse_args()
    json.dump(measurements[arguments.what](arguments.corpus, arguments.index, arguments.how), sys.stdout)


if __name__ == "__main__":
    main()

"""One measurement in a process of its own; prints one JSON object."""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from lateral import RAG
from lateral.rag.evaluation import read_beir, score_queries
from lateral.rag.evaluation.measures import mean_scores
from lateral.rag.evaluation.searching import search_all
from lateral.retrievers.bi_encoder import BiEncoderRetriever
from lateral.retrievers.hybrid import FUSIONS, HybridRetriever
from lateral.retrievers.models import load_bi_encoder

DEPTH = 100


class CountingEncoder:
    """The default encoder, with a count and the time of what it encodes, and queries encoded ahead."""

    def __init__(self):
        self._encoder = load_bi_encoder()
        self.encoded = 0
        self.ahead = {}

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def encode_documents(self, texts):
        self.encoded += len(texts)
        return self._encoder.encode_documents(texts)

    def encode_queries(self, texts):
        if texts[0] not in self.ahead:
            self.ahead[texts[0]] = self._encoder.encode_queries(texts)
        return self.ahead[texts[0]]


def opened(index):
    encoder = CountingEncoder()
    return RAG(index, retrievers=("bm25", BiEncoderRetriever(encoder=encoder))), encoder


def build(corpus, index):
    """Indexes the corpus as documents in memory."""
    rag, encoder = opened(index)
    texts = read_beir(corpus).texts
    start = time.perf_counter()
    report = rag.add([{"id": source, "text": text} for source, text in texts.items()])
    return {
        "seconds": time.perf_counter() - start,
        "documents": report.added,
        "nodes": report.nodes,
        "encoded": encoder.encoded,
    }


def quality(corpus, index):
    """nDCG@10 and recall@100 of the hybrid and of each retriever alone."""
    rag, _ = opened(index)
    judged = read_beir(corpus)
    retrievers = {"hybrid": rag, **{retriever.name: retriever for retriever in rag.retrievers}}
    result = {}
    for name, retriever in retrievers.items():
        found = search_all(retriever.retrieve, judged, DEPTH)
        result[name] = mean_scores(score_queries(judged.qrels, found.rankings))
    return result


def rankings(fusion):
    """Returns what gives each query's documents by a fusion, best first."""

    def ranked(corpus, index):
        hybrid = HybridRetriever(opened(index)[0].retrievers, fusion=fusion)
        return search_all(hybrid.retrieve, read_beir(corpus), DEPTH).rankings

    return ranked


def add_again(corpus, index):
    """Adds documents that the index holds."""
    rag, encoder = opened(index)
    documents = [{"id": source, "text": text} for source, text in read_beir(corpus).texts.items()]
    start = time.perf_counter()
    report = rag.add(documents)
    return {"seconds": time.perf_counter() - start, "unchanged": report.unchanged, "encoded": encoder.encoded}


def files(corpus, index):
    """Writes the corpus as files, adds the folder, and adds it again."""
    folder = Path(index).with_name(f"{Path(index).name}-files")
    folder.mkdir(exist_ok=True)
    for source, text in read_beir(corpus).texts.items():
        (folder / f"{source}.txt").write_text(text, encoding="utf-8")
    rag, encoder = opened(f"{index}-of-files")
    rag.add(folder)
    time.sleep(2.5)  # file times are trusted once they are older than the clock's grain
    rag.add(folder)
    before = encoder.encoded
    start = time.perf_counter()
    report = rag.add(folder)
    return {"seconds": time.perf_counter() - start, "unchanged": report.unchanged, "encoded": encoder.encoded - before}


def retrieve(corpus, index):
    """Milliseconds of `retrieve` with the query's vector at hand."""
    rag, encoder = opened(index)
    queries = list(read_beir(corpus).queries.values())
    for query in queries:
        encoder.encode_queries([query])
    rag.retrieve(queries[0])
    times = []
    for query in queries:
        start = time.perf_counter()
        rag.retrieve(query)
        times.append(1_000 * (time.perf_counter() - start))
    return {"p50_ms": statistics.median(times), "p95_ms": sorted(times)[int(0.95 * len(times))], "queries": len(times)}


def main():
    measurements = {"build": build, "quality": quality, "add-again": add_again, "files": files, "retrieve": retrieve}
    measurements |= {f"rankings-{fusion}": rankings(fusion) for fusion in FUSIONS}
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=measurements)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("index")
    arguments = parser.parse_args()
    json.dump(measurements[arguments.what](arguments.corpus, arguments.index), sys.stdout)


if __name__ == "__main__":
    main()

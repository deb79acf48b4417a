"""One measurement of ColBERT in a process of its own; prints one JSON object."""

import json
import resource
import statistics
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
from lateral import RAG, ColBERTRetriever
from lateral.loaders.indexed_text import indexed_text
from lateral.rag.evaluation import read_beir, score_queries
from lateral.rag.evaluation.measures import mean_scores
from lateral.retrievers.models.colbert import load_colbert

sys.path.insert(0, str(Path(__file__).parents[1]))

from colbert_checkpoints import minilm_checkpoint

TOP_K = 10
WHOLE = 100_000  # tokens of a chunk: every document is one node, and the model cuts it as it cuts the peer's
SIZES = {  # what is told of each way to store the tokens
    "float16": {"vectors": "float16"},
    "int8": {"vectors": "int8"},
    "int8, pooled by 2": {"vectors": "int8", "pool_factor": 2},
    "binary": {"vectors": "binary"},
    "PLAID with 2 bits, beside float16 that scores": {"index": "plaid", "bits": 2},
}
PASSES = 3
TIMED = 250  # queries whose vectors are given, at most


class Remembering:
    """A late-interaction encoder that encodes each text once."""

    def __init__(self, encoder):
        self._encoder = encoder
        self._known = {}

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def encode_documents(self, texts):
        return self._remembered("document", texts, self._encoder.encode_documents)

    def encode_queries(self, texts):
        return self._remembered("query", texts, self._encoder.encode_queries)

    def _remembered(self, side, texts, encode):
        new = list(dict.fromkeys(text for text in texts if (side, text) not in self._known))
        if new:
            self._known.update(zip(((side, text) for text in new), encode(new), strict=True))
        return [self._known[side, text] for text in texts]


def checkpoint(root):
    """Makes the checkpoint that all sides load."""
    Path(root).mkdir(parents=True, exist_ok=True)
    return {"path": str(minilm_checkpoint(Path(root)))}


def nodes(corpus, index, out):
    """Writes the chunks of an index as they are encoded, and the queries, for a peer to read."""
    with RAG(index).index.read() as snapshot:
        chunks = [(node.source, indexed_text(node)) for node in snapshot.chunks()]
    given = {"nodes": chunks, "queries": read_beir(Path(corpus)).queries}
    Path(out).write_text(json.dumps(given), encoding="utf-8")
    return {"nodes": len(chunks), "documents": len({source for source, _ in chunks})}


def index_corpus(corpus, index, model, backend):
    """Indexes a corpus, then asks it every query as text and as vectors; seconds, milliseconds, megabytes, nDCG@10."""
    encoder = warm(model, backend)
    judged = read_beir(Path(corpus))
    rag = opened(index, encoder)
    start = time.perf_counter()
    report = rag.add(documents_of(judged))
    seconds, peak = time.perf_counter() - start, peak_mb()
    found, text_ms = asked(rag, judged.queries)
    ahead, some = Remembering(encoder), dict(islice(judged.queries.items(), TIMED))
    ahead.encode_queries(list(some.values()))
    _, given_ms = asked(opened(index, ahead), some)
    return {
        "seconds": seconds,
        "peak_mb": peak,
        "nodes": report.nodes,
        "ndcg": ndcg(judged, found),
        "text_ms": text_ms,
        "given_ms": given_ms,
    }


def encode(corpus, model, backend):
    """Encodes a corpus with nothing around it, some times over."""
    encoder = warm(model, backend)
    texts = list(read_beir(Path(corpus)).texts.values())
    times = []
    for _ in range(PASSES):
        start = time.perf_counter()
        encoder.encode_documents(texts)
        times.append(time.perf_counter() - start)
    return {"documents_a_second": len(texts) / statistics.median(times)}


def sizes(corpus, root, model, backend):
    """Stores the same token vectors in each way; bytes for each token of the texts, and nDCG@10."""
    encoder = Remembering(warm(model, backend))
    judged = read_beir(Path(corpus))
    tokens = sum(map(len, encoder.encode_documents(list(judged.texts.values()))))
    told = {}
    for name, settings in SIZES.items():
        folder = Path(root) / name.replace(" ", "-")
        rag = opened(folder, encoder, **settings)
        rag.add(documents_of(judged))
        found, _ = asked(rag, judged.queries)
        status = rag.status()
        uses = status.derived_uses["plaid"] if "index" in settings else status.vectors["colbert"]
        size = uses.bytes  # PLAID's own stand beside the vectors
        told[name] = {"bytes_a_token": size / tokens, "ndcg": ndcg(judged, found)}
    return told


def exact(corpus, root, model, backend):
    """Searches float32 vectors exactly, and writes them for a peer to do the same."""
    encoder = Remembering(warm(model, backend))
    judged = read_beir(Path(corpus))
    rag = opened(Path(root) / "index", encoder, vectors="float32")
    rag.add(documents_of(judged))
    documents = encoder.encode_documents(list(judged.texts.values()))
    queries = encoder.encode_queries(list(judged.queries.values()))
    found, milliseconds = asked(rag, judged.queries)
    for name, matrices in (("documents", documents), ("queries", queries)):
        np.savez(Path(root) / f"{name}.npz", rows=np.concatenate(matrices), counts=[len(it) for it in matrices])
    names = {"documents": list(judged.texts), "queries": list(judged.queries)}
    (Path(root) / "names.json").write_text(json.dumps(names), encoding="utf-8")
    lengths = dict(zip(judged.queries, map(len, queries), strict=True))
    sums = {
        query: {hit.node.source: hit.score * lengths[query] for hit in hits} for query, hits in found.items()
    }  # a document is one node
    return {"ms": milliseconds, "found": sums, "tokens": sum(map(len, documents))}


def asked(rag, queries):
    """Returns what each query finds, and the median of the milliseconds."""
    rag.retrieve("warm up", TOP_K)
    found, times = {}, []
    for query, text in queries.items():
        start = time.perf_counter()
        hits = rag.retrieve(text, TOP_K)
        times.append(1_000 * (time.perf_counter() - start))
        found[query] = hits
    return found, statistics.median(times)


def ndcg(judged, found):
    """nDCG@10 of the hits of each query, as the product scores them: a document stands where its best chunk does."""
    rankings = {
        query: list(dict.fromkeys(judged.unit(query, hit.node) for hit in hits)) for query, hits in found.items()
    }
    return mean_scores(score_queries(judged.qrels, rankings))["ndcg@10"]


def opened(folder, encoder, **settings):
    retriever = ColBERTRetriever(encoder=encoder, **settings)
    return RAG(folder, retrievers=(retriever,), chunk_size=WHOLE, chunk_overlap=0)


def warm(model, backend):
    encoder = load_colbert(model, backend=backend, device="cpu")
    encoder.encode_documents(["warm up"])
    return encoder


def documents_of(judged):
    return [{"id": source, "text": text} for source, text in judged.texts.items()]


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    what, *arguments = sys.argv[1:]
    measurements = {
        "checkpoint": checkpoint,
        "nodes": nodes,
        "index": index_corpus,
        "encode": encode,
        "sizes": sizes,
        "exact": exact,
    }
    print(json.dumps(measurements[what](*arguments)))


if __name__ == "__main__":
    main()

"""RAGatouille's own index() and search() over given nodes; prints one JSON object. Needs the extra `colbert`.

It runs with the cures that it needs to be imported at all. Its C++ extensions are compiled before anything is timed.
"""

import json
import resource
import statistics
import sys
import time
import warnings
from itertools import islice
from pathlib import Path

import torch
from lateral.rag.evaluation import read_beir, score_queries
from lateral.rag.evaluation.measures import mean_scores
from lateral.retrievers.models.colbert.cures import import_ragatouille
from peer_dtype import DTYPE

TOP_K = 10
# The best of its own options on a CPU: batches of 16, k-means by faiss in place of its own.
TUNED = {"bsize": 16, "use_faiss": True}
TIMED = 250  # queries whose vectors are given, at most
TEXTS = ("collection.json", "pid_docid_map.json")  # of the index's files, those that hold no vectors


def main():
    nodes_file, corpus, model, root, setting = sys.argv[1:]
    told, sys.stdout = sys.stdout, sys.stderr  # it prints a lot, at exit too
    warnings.simplefilter("ignore")
    given = json.loads(Path(nodes_file).read_text(encoding="utf-8"))
    tuned = setting == "tuned"
    ragatouille = import_ragatouille()
    with torch.autocast("cpu", torch.bfloat16, enabled=tuned and DTYPE is torch.bfloat16):
        indexed = index(ragatouille, given, model, root, TUNED if tuned else {})
    found, asked = search(ragatouille.RAGPretrainedModel.from_index(indexed["path"]), given["queries"])
    ndcg = mean_scores(score_queries(read_beir(Path(corpus)).qrels, found))["ndcg@10"]
    print(json.dumps({**indexed, **asked, "ndcg": ndcg}), file=told)


def index(ragatouille, given, model, root, options):
    """Indexes the nodes as they are; what of them is longer than the checkpoint reads is cut, as on our side."""
    loaded = ragatouille.RAGPretrainedModel.from_pretrained(model, verbose=0, index_root=str(Path(root).absolute()))
    names, texts = zip(*given["nodes"], strict=True)
    loaded.model.inference_ckpt.docFromText(["warm up"])
    start = time.perf_counter()
    path = loaded.index(
        collection=list(texts),
        document_ids=list(names),
        index_name="nodes",
        split_documents=False,
        max_document_length=loaded.model.config.doc_maxlen,
        **options,
    )
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    files = [file for file in Path(path).iterdir() if file.name not in TEXTS]
    metadata = json.loads((Path(path) / "metadata.json").read_text(encoding="utf-8"))
    return {
        "path": str(path),
        "seconds": seconds,
        "peak_mb": peak,
        "bits": metadata["config"]["nbits"],
        "bytes_a_token": sum(file.stat().st_size for file in files) / metadata["num_embeddings"],
    }


def search(loaded, queries):
    """Asks every query as text, and again with its vectors made before."""
    loaded.search("warm up", k=TOP_K)
    found, times = {}, []
    for query, text in queries.items():
        start = time.perf_counter()
        hits = loaded.search(text, k=TOP_K)
        times.append(1_000 * (time.perf_counter() - start))
        found[query] = list(dict.fromkeys(hit["document_id"] for hit in hits))
    searcher = loaded.model.model_index.searcher
    searcher.config.query_maxlen = loaded.model.config.query_maxlen  # a search sets it by the query's words
    given = []
    for text in islice(queries.values(), TIMED):
        vectors = searcher.encode(text)
        start = time.perf_counter()
        searcher.dense_search(vectors, TOP_K)
        given.append(1_000 * (time.perf_counter() - start))
    return found, {"text_ms": statistics.median(times), "given_ms": statistics.median(given)}


if __name__ == "__main__":
    main()

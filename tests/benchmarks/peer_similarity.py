"""Exact search by sentence-transformers' own MaxSim over given float32 vectors; prints one JSON object.

The documents are padded once, before the first query: handed over as a list, they would be padded in each search, which
takes three times as long.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from lateral.retrievers.models.cures import cure_torchvision

TOP_K = 10


def main():
    cure_torchvision()
    from sentence_transformers.util import maxsim  # what `MultiVectorEncoder.similarity` calls

    root = Path(sys.argv[1])
    names = json.loads((root / "names.json").read_text(encoding="utf-8"))
    documents, queries = matrices(root / "documents.npz"), matrices(root / "queries.npz")
    lengths = [torch.ones(len(it), dtype=torch.bool) for it in documents]
    masks = torch.nn.utils.rnn.pad_sequence(lengths, batch_first=True)
    documents = torch.nn.utils.rnn.pad_sequence(documents, batch_first=True)
    maxsim([queries[0]], documents, b_mask=masks)
    found, times = {}, []
    for query, matrix in zip(names["queries"], queries, strict=True):
        start = time.perf_counter()
        best = maxsim([matrix], documents, b_mask=masks)[0].topk(TOP_K)
        times.append(1_000 * (time.perf_counter() - start))
        places, scores = best.indices.tolist(), best.values.tolist()
        found[query] = {names["documents"][at]: score for at, score in zip(places, scores, strict=True)}
    print(json.dumps({"ms": statistics.median(times), "found": found}))


def matrices(path):
    stored = np.load(path)
    return [torch.from_numpy(it.copy()) for it in np.split(stored["rows"], np.cumsum(stored["counts"])[:-1])]


if __name__ == "__main__":
    main()

"""sentence-transformers alone: it encodes given nodes, then every query, and keeps nothing; prints one JSON object."""

import json
import statistics
import sys
import time
from pathlib import Path

from peer_dtype import DTYPE
from sentence_transformers import SentenceTransformer

BATCH = 16  # this encoder's best on a CPU


def main():
    nodes_file, model, setting = sys.argv[1:]
    given = json.loads(Path(nodes_file).read_text(encoding="utf-8"))
    tuned = setting == "tuned"
    loaded = SentenceTransformer(model, device="cpu", model_kwargs={"dtype": DTYPE} if tuned else None)
    loaded.encode("warm up")
    texts = [text for _, text in given["nodes"]]
    start = time.perf_counter()
    loaded.encode(texts, show_progress_bar=False, **({"batch_size": BATCH} if tuned else {}))
    seconds = time.perf_counter() - start
    times = []
    for query in given["queries"]:
        start = time.perf_counter()
        loaded.encode(query)
        times.append(1_000 * (time.perf_counter() - start))
    print(json.dumps({"seconds": seconds, "p50_ms": statistics.median(times)}))


if __name__ == "__main__":
    main()

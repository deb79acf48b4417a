"""LlamaIndex with Chroma over given nodes; prints one JSON object. Runs in the peer's own Python."""

import json
import resource
import statistics
import sys
import time
from pathlib import Path

import chromadb
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore
from peer_dtype import DTYPE

TUNED = {"model_kwargs": {"dtype": DTYPE}, "embed_batch_size": 16}  # this encoder's best on a CPU


def main():
    nodes_file, model, folder, setting = sys.argv[1:]
    given = json.loads(Path(nodes_file).read_text(encoding="utf-8"))
    options = TUNED if setting == "tuned" else {}
    embedding = HuggingFaceEmbedding(model_name=model, device="cpu", **options)
    embedding.get_text_embedding("warm up")
    nodes = [TextNode(id_=node, text=text) for node, text in given["nodes"]]
    collection = chromadb.PersistentClient(folder).create_collection("nodes")
    store = ChromaVectorStore(chroma_collection=collection)
    start = time.perf_counter()
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex(nodes, storage_context=context, embed_model=embedding)
    seconds = time.perf_counter() - start
    retriever = index.as_retriever(similarity_top_k=10)
    retriever.retrieve("warm up")
    times = []
    for query in given["queries"]:
        start = time.perf_counter()
        retriever.retrieve(query)
        times.append(1_000 * (time.perf_counter() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "p50_ms": statistics.median(times), "peak_mb": peak}))


if __name__ == "__main__":
    main()

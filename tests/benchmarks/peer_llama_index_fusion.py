"""LlamaIndex's tuned fusion of dense search and BM25 over a BEIR corpus; prints the documents of each query as JSON.

A document is one node, cut where the model stops reading; stop words, stems, reciprocal ranks and no made-up queries:
what its own documentation builds for hybrid search, with the encoder as lateral would run it.
"""

import json
import sys
from pathlib import Path

from llama_index.core import VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.retrievers.bm25 import BM25Retriever
from peer_llama_index import TUNED

DEPTH = 100


def main():
    corpus, model = Path(sys.argv[1]), sys.argv[2]
    embedding = HuggingFaceEmbedding(model_name=model, device="cpu", **TUNED)
    documents, queries = lines(corpus / "corpus.jsonl"), lines(corpus / "queries.jsonl")
    nodes = [TextNode(id_=it["_id"], text=f"{it.get('title', '')} {it['text']}".strip()) for it in documents]
    nodes = [node for node in nodes if node.text]
    fusion = QueryFusionRetriever(
        [
            VectorStoreIndex(nodes, embed_model=embedding).as_retriever(similarity_top_k=DEPTH),
            BM25Retriever(nodes=nodes, similarity_top_k=DEPTH),
        ],
        llm=MockLLM(),  # it wants one even where it makes no queries
        mode="reciprocal_rerank",
        num_queries=1,
        similarity_top_k=DEPTH,
        use_async=False,
    )
    print(json.dumps({it["_id"]: [hit.node.node_id for hit in fusion.retrieve(it["text"])] for it in queries}))


def lines(path):
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    main()

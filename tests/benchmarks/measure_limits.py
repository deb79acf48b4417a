"""What the hardware sets against encoding a corpus and answering a query; prints one JSON object.

Encoding multiplies matrices: it can't be faster than its multiplications at the rate of one large product. A lone query
also waits for the model's weights and for the vectors that it is compared with, where no cache holds them: each is read
from memory once.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch
from lateral.rag.evaluation import read_beir
from lateral.retrievers.models import find_model
from measure_speed import bandwidth, texts_of
from peer_dtype import DTYPE
from tokenizers import Tokenizer

SIDE = 4_096  # of the matrices: the caches hold them in blocks
REPEATS = 9
VECTOR_BYTES = 4


def multiplications(config, lengths):
    """Returns how many numbers a BERT multiplies and adds for texts of so many tokens, its embeddings left out."""
    width, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    weights = layers * (4 * width * width + 2 * width * inner)
    attention = sum(2 * layers * width * length * length for length in lengths)
    return weights, weights * sum(lengths) + attention


def rate(dtype):
    """Returns the multiplications with an addition that all cores do in a second, in one large product."""
    left, right = torch.rand(SIDE, SIDE).to(dtype), torch.rand(SIDE, SIDE).to(dtype)
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return SIDE**3 / best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("index")
    arguments = parser.parse_args()
    model = find_model("all-MiniLM-L6-v2").path
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(json.loads((model / "sentence_bert_config.json").read_text())["max_seq_length"])
    texts = texts_of(arguments.index)
    lengths, asked = (
        [len(it.ids) for it in tokenizer.encode_batch(some)]
        for some in (texts, list(read_beir(arguments.corpus).queries.values()))
    )
    a_second, gb_s = rate(DTYPE), bandwidth()
    weights, corpus = multiplications(config, lengths)
    query = multiplications(config, [round(statistics.median(asked))])[1]
    read = weights * DTYPE.itemsize + len(texts) * config["hidden_size"] * VECTOR_BYTES
    found = {
        "encode_s": corpus / a_second,
        "query_ms": 1_000 * max(query / a_second, read / 1e9 / gb_s),
        "gflop_s": 2 * a_second / 1e9,
        "gb_s": gb_s,
        "dtype": str(DTYPE).partition(".")[2],
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

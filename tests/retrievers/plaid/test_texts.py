"""The exact scores of the texts that PLAID names."""

import subprocess
import sys

import numpy as np
from candidates_writer import WordEncoder
from lateral import RAG, ColBERTRetriever
from lateral.retrievers.plaid.texts import open_texts

TEXTS, WORDS = 64, 200
LONG_QUERY = """
import resource, sys
import numpy as np
from lateral.retrievers.plaid.texts import open_texts
from lateral.retrievers.store import Index
query = np.random.default_rng(0).standard_normal((10_000, 64)).astype(np.float32)
query /= np.linalg.norm(query, axis=1, keepdims=True)
with Index(sys.argv[1]).read() as snapshot:
    texts = open_texts(snapshot, snapshot.config().retrievers[0].space)
    texts.scored(query[:1], texts.filled, None)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found, _ = texts.scored(query, texts.filled, None)
print(len(found), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def made_index(folder):
    encoder = WordEncoder()
    rag = RAG(folder, retrievers=(ColBERTRetriever(encoder=encoder, index="exact"),), chunk_size=WORDS)
    rag.add(
        {"id": str(number), "text": " ".join(f"w{(number * 7 + at * at) % 700}" for at in range(WORDS))}
        for number in range(TEXTS)
    )
    return rag, encoder


def test_scores_are_to_the_last_digit_those_of_exact_search(tmp_path):
    rag, encoder = made_index(tmp_path / "index")
    with rag.index.read() as snapshot:
        texts = open_texts(snapshot, snapshot.config().retrievers[0].space)
        for words in ("w7", " ".join(f"w{at}" for at in range(300))):
            query = encoder.encode_queries([words])[0]
            positions, scores = texts.search.search(query, TEXTS)
            named = texts.filled[::3]
            found = dict(zip(*(part.tolist() for part in texts.scored(query, named, None)), strict=True))
            assert len(found) == len(named)
            expected = dict(zip(positions.tolist(), scores.tolist(), strict=True))
            assert found == {position: expected[position] for position in found}
            allowed = np.zeros(len(snapshot.chunk_ids()), np.bool_)
            allowed[min(found)] = True
            assert texts.scored(query, named, allowed)[0].tolist() == [min(found)]


def test_memory_does_not_grow_with_the_query(tmp_path):
    made_index(tmp_path / "index")
    done = subprocess.run(
        [sys.executable, "-c", LONG_QUERY, str(tmp_path / "index")], capture_output=True, text=True, check=True
    )
    found, megabytes = map(int, done.stdout.split())
    assert found == TEXTS
    assert megabytes < 100  # with all products at once it was 300, and is 7

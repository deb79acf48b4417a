"""PLAID where RAGatouille is missing or another one built it, where others repair it, and asked by many at once."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from plaid_passages import QUERIES, found_by_plaid, generation_folder, hits, open_rag
from stores import pass_for_intact

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

THREADS = 8
ROUNDS = 10
TESTS = Path(__file__).parents[2]
HIDING = """
import sys
from importlib.machinery import PathFinder

class WithoutRagatouille(PathFinder):
    @classmethod
    def find_spec(cls, name, *rest):
        return None if name.partition(".")[0] in ("colbert", "ragatouille") else PathFinder.find_spec(name, *rest)

    @classmethod
    def find_distributions(cls, *rest):
        found = PathFinder.find_distributions(*rest)
        return (it for it in found if it.name.lower() not in ("colbert-ai", "ragatouille"))

sys.meta_path[:] = [WithoutRagatouille if it is PathFinder else it for it in sys.meta_path]
"""
PROGRAM = """
import json
import logging
logging.basicConfig(level=logging.WARNING)
from lateral.retrievers.models.colbert import load_colbert
from plaid_passages import QUERIES, documents, exact, hits, open_rag

rag = open_rag(sys.argv[1], load_colbert(sys.argv[2], dtype="float32", offline=True))
same = hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
reasons = [it.reason for it in rag.verify().problems]
newer = [f"Ball python {at} is no programming language and eats mice under a warm lamp all night" for at in range(300)]
rag.add(documents(newer))
print(json.dumps([same, reasons, hits(rag, "ball python", 1)[0][0], [it.reason for it in rag.verify().problems]]))
"""


def test_where_ragatouille_is_missing_search_is_exact_and_documents_are_added(rag, checkpoint):
    folder = generation_folder(rag)
    command = [sys.executable, "-c", HIDING + PROGRAM, str(rag.index.folder), str(checkpoint)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    same, reasons, first, left = json.loads(done.stdout)
    assert same
    missing = "PLAID needs RAGatouille: pip install 'lateral[colbert]'"
    assert reasons == [f"{missing}: search is exact"]
    assert f"search is exact, PLAID is not used: {missing}\n" in done.stderr
    assert f"search is exact until it is: {missing}; then run `lateral verify --repair`" in done.stderr
    assert first.startswith("doc-")
    assert left == ["the plaid index is of an older generation: an add was interrupted"]
    assert generation_folder(rag) == folder, "what is there stays for who has RAGatouille"


def test_another_colbert_than_the_one_that_built_it_is_named_and_builds_it_anew(rag, encoder, caplog):
    manifest = generation_folder(rag) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "colbert": "0.1"}))
    pass_for_intact(rag, "plaid")
    assert found_by_plaid(rag, QUERIES[0]) is None
    assert "was made by another version: `lateral verify --repair` builds it anew" in caplog.text
    [problem] = rag.verify().problems
    assert problem.cure == "refresh"
    assert "was made by another version: search is exact" in problem.reason
    assert rag.verify(repair=True).remaining == ()
    assert found_by_plaid(open_rag(rag.index.folder, encoder), QUERIES[0]) is not None


def test_other_bits_and_another_space_than_the_index_was_made_for_are_named(rag, encoder):
    [problem] = open_rag(rag.index.folder, encoder, index="plaid", bits=4).verify().problems
    assert problem.reason == "PLAID keeps 2 bits of a dimension in place of 4"
    manifest = generation_folder(rag) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "space": "another"}))
    pass_for_intact(rag, "plaid")
    [problem] = rag.verify().problems
    assert "holds vectors of another space: search is exact" in problem.reason


def test_threads_that_share_a_pipeline_find_what_one_finds(read_only, encoder, texts):
    queries = [*QUERIES, *texts[::60]]
    alone = {query: hits(read_only, query) for query in queries}
    assert found_by_plaid(read_only, QUERIES[0]) is not None
    shared, begin, told = open_rag(read_only.index.folder, encoder), threading.Barrier(THREADS), []

    def ask(first):
        begin.wait()  # all open PLAID at once
        for at in range(first, first + ROUNDS):
            query = queries[at % len(queries)]
            told.append(hits(shared, query) == alone[query])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [True] * (THREADS * ROUNDS)
    assert found_by_plaid(shared, QUERIES[0]) is not None

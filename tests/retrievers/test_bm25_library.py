"""bm25s without scipy.sparse, until somebody asks for it."""

import subprocess
import sys

import pytest
from lateral import RAG
from lateral.retrievers.bm25_library import load_bm25s

# Of an index by its terms alone, in a process that has imported nothing yet.
SEARCH = """
import sys
from lateral import RAG
rag = RAG(sys.argv[1])
assert [hit.node.source for hit in rag.retrieve("green tea")] == ["a"]
assert "bm25s" in sys.modules and "scipy.sparse" not in sys.modules
"""


@pytest.fixture
def index(tmp_path):
    with RAG(tmp_path / "index", retrievers="bm25") as rag:
        rag.add([{"id": "a", "text": "Green tea is brewed hot."}, {"id": "b", "text": "Coffee is black."}])
    return tmp_path / "index"


def assert_runs(code, index):
    done = subprocess.run([sys.executable, "-c", code, index], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_search_does_not_load_scipy_sparse(index):
    assert_runs(SEARCH, index)


def test_who_asks_bm25s_for_it_gets_it(index):
    build = """
import bm25s
ours, theirs = (bm25s.BM25(csc_backend=name) for name in ("numpy", "scipy"))
ours.index([["green", "tea"], ["black"]], show_progress=False)
assert "scipy.sparse" not in sys.modules
theirs.index([["green", "tea"], ["black"]], show_progress=False)
assert "scipy.sparse" in sys.modules
assert theirs.get_scores(["tea"]).tolist() == ours.get_scores(["tea"]).tolist() != [0, 0]
"""
    assert_runs(SEARCH + build, index)


@pytest.mark.parametrize(
    "use",
    [
        "import scipy.sparse.linalg; assert scipy.sparse.linalg.norm(scipy.sparse.eye(4)) == 2",
        "from scipy.sparse import csr_matrix; assert csr_matrix([[0, 3]]).nnz == 1",
        "import scipy; assert scipy.sparse.csr_matrix([[0, 3]]).nnz == 1",
    ],
)
def test_others_import_scipy_as_if_nothing_had_been(index, use):
    assert_runs(f"{SEARCH}\n{use}", index)


def test_a_module_that_is_there_stays():
    import scipy.sparse

    load_bm25s()
    assert sys.modules["scipy.sparse"] is scipy.sparse
    assert load_bm25s().BM25.__module__ == "bm25s"


def test_without_scipy_bm25s_does_without(index):
    assert_runs(
        "import sys; sys.modules['scipy'] = None\n" + SEARCH + "assert not sys.modules['bm25s'].SCIPY_AVAILABLE", index
    )

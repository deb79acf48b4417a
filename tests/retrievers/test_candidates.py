"""Candidates against exact search: over vectors as texts have them, and over a real index that changes and breaks."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import make_document
from colbert_checkpoints import minilm_checkpoint, tiny_checkpoint
from lateral import RAG
from lateral.errors import InvalidArgumentError
from lateral.retrievers.candidates import CandidateSearch, check_candidates
from lateral.retrievers.candidates_files import ReducedFiles
from lateral.retrievers.candidates_reduction import padded_counts, reduce_segment
from lateral.retrievers.candidates_refresh import measured_recall
from lateral.retrievers.colbert import ColBERTRetriever
from lateral.retrievers.maxsim import MaxSimSearch, TokenSegment
from lateral.retrievers.models.colbert import load_colbert
from lateral.retrievers.store import NewVectors, hash_text
from lateral.retrievers.store.formats import FORMATS, pack, view_packed

DIM = 32
TOPICS = 40


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def text_like(lengths, seed=0):
    """Token vectors as texts have them: each text is about a topic, its words come from a common stock."""
    rng = np.random.default_rng(seed)
    topics, words = unit(rng.standard_normal((TOPICS, DIM))), unit(rng.standard_normal((500, DIM)))
    texts = []
    for length in lengths:
        about = topics[rng.integers(TOPICS)]
        texts.append(unit(0.6 * about + words[rng.zipf(1.3, length) % 500] + 0.05 * rng.standard_normal((length, DIM))))
    return texts


def segment_of(texts, form="int8", first=0, file="a.npy"):
    counts = np.array([len(text) for text in texts], np.int64)
    starts = np.cumsum([0, *counts])[:-1].astype(np.int64)
    rows = np.concatenate([np.empty((0, DIM), np.float32), *texts])
    stored = view_packed(pack(rows, form), len(rows), DIM, form)
    return TokenSegment(stored, starts, counts, np.arange(len(texts) + 1), np.arange(first, first + len(texts)), file)


def candidate_search(segments, reduced=None, candidates=50, exact_up_to=0):
    exact = MaxSimSearch(segments, sum(len(segment.starts) for segment in segments))
    known = {it.file: reduce_segment(it) for it in segments} if reduced is None else reduced
    return exact, CandidateSearch(exact, known, candidates=candidates, exact_up_to=exact_up_to)


def rows(found):
    return list(zip(*(part.tolist() for part in found), strict=True))


@pytest.mark.parametrize("form", FORMATS)
def test_with_as_many_candidates_as_texts_search_is_exact(form):
    texts = text_like(np.random.default_rng(1).integers(0, 60, 300))
    exact, search = candidate_search([segment_of(texts, form)], candidates=300)
    for text in (1, 50, 299):
        query = text_like([8], seed=text)[0]
        assert rows(search.search(query, 10)) == rows(exact.search(query, 10))


def test_what_is_found_has_exact_scores_and_little_is_missed():
    texts = text_like(np.random.default_rng(2).integers(5, 60, 2_000))
    exact, search = candidate_search([segment_of(texts)], candidates=100)
    shares = []
    for at in range(0, 2_000, 50):
        query = texts[at][:16]
        best, found = rows(exact.search(query, 10)), rows(search.search(query, 10))
        assert found[0] == best[0]
        assert set(found) <= set(rows(exact.search(query, 2_000)))
        shares.append(len(set(best) & set(found)) / 10)
    assert np.mean(shares) > 0.9


def test_a_filter_comes_before_the_candidates():
    texts = text_like([20] * 1_000)
    exact, search = candidate_search([segment_of(texts)], candidates=10)
    query = texts[3]
    allowed = np.zeros(1_000, np.bool_)
    allowed[~np.isin(np.arange(1_000), exact.search(query, 500)[0])] = True  # none of the best half
    positions, scores = search.search(query, 5, allowed)
    assert len(positions) == 5
    assert allowed[positions].all()
    assert set(rows((positions, scores))) <= set(rows(exact.search(query, 1_000)))


def test_where_few_texts_are_allowed_search_is_exact():
    texts = text_like([20] * 500)
    exact, search = candidate_search([segment_of(texts)], candidates=1, exact_up_to=20 * 100)
    allowed = np.random.default_rng(0).permutation(500) < 100
    query = text_like([10], seed=5)[0]
    assert rows(search.search(query, 10, allowed)) == rows(exact.search(query, 10, allowed))


def test_more_hits_take_more_candidates():
    texts = text_like([10] * 400)
    _, search = candidate_search([segment_of(texts)], candidates=1)
    assert len(search.search(texts[0], 100)[0]) == 100
    assert len(search.search(texts[0], 1_000)[0]) == 400


def test_texts_that_are_not_reduced_are_all_candidates():
    texts = text_like([15] * 300)
    covered, bare = segment_of(texts[:200]), segment_of(texts[200:], first=200, file="b.npy")
    _, search = candidate_search([covered, bare], {"a.npy": reduce_segment(covered)}, candidates=1)
    assert search.search(texts[250], 1)[0].tolist() == [250]
    wanted = search.candidates(texts[250], np.arange(300), 20)
    assert set(range(200, 300)) <= set(wanted.tolist())
    assert len(wanted) == 120


def test_texts_that_are_gone_or_without_tokens_are_no_candidates():
    texts = text_like([15, 0, 15, 15])
    whole = segment_of(texts)
    left = TokenSegment(
        whole.vectors, whole.starts[[1, 2]], whole.counts[[1, 2]], np.arange(3), np.arange(2), whole.file
    )
    _, search = candidate_search([left], {"a.npy": reduce_segment(whole)}, candidates=1)
    assert search.search(texts[0], 10)[0].tolist() == [1]


def test_a_query_that_is_no_number_is_an_error():
    _, search = candidate_search([segment_of(text_like([5] * 50))], candidates=1)
    with pytest.raises(InvalidArgumentError, match="NaN"):
        search.search(np.full((2, DIM), np.nan, np.float32), 1)


@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_where_all_texts_are_candidates_the_recall_is_one(count):
    exact, search = candidate_search([segment_of(text_like([8] * count))])
    assert measured_recall(exact, search, max(count, 1)) == 1


def test_recall_is_estimated_from_queries_that_are_vaguer_than_stored_texts():
    texts = text_like(np.random.default_rng(3).integers(5, 60, 1_500), seed=3)
    exact, search = candidate_search([segment_of(texts)])
    everything = np.arange(1_500)
    shares = []
    for at in np.linspace(0, 1_499, 16).astype(int):
        query = texts[at][:32]
        best, _ = exact.best_texts(everything, query, 10)
        shares.append(np.isin(best, search.candidates(query, everything, 12)).mean())
    estimated = [measured_recall(exact, search, candidates) for candidates in (12, 12, 100, 1_500)]
    assert estimated[0] == estimated[1] < np.mean(shares)
    assert estimated[1] < estimated[2] <= estimated[3] == 1


def test_an_index_without_texts_has_no_candidates():
    _, search = candidate_search([segment_of([])])
    assert search.search(text_like([3])[0], 5)[0].tolist() == []


def test_texts_along_all_that_they_differ_in_have_their_scores():
    rng = np.random.default_rng(4)
    plane = np.linalg.qr(rng.standard_normal((DIM, DIM // 2)))[0].T  # all tokens lie in half the dimensions
    texts = [unit(rng.standard_normal((length, DIM // 2)) @ plane) for length in (40, 3, 17)]
    reduced = reduce_segment(segment_of(texts, "float32"))
    query = texts[2][:6]
    expected = {start: (query @ text.T).max(axis=1).sum() for text, start in zip(texts, (0, 40, 43), strict=True)}
    found = dict(zip(reduced.starts.tolist(), reduced.scores(query).tolist(), strict=True))
    assert found == pytest.approx(expected, abs=0.05)


def test_texts_of_about_one_length_are_filled_up_to_it():
    counts = np.array([0, 1, 7, 8, 15, 16, 17, 100, 127, 129])
    assert padded_counts(counts).tolist() == [0, 1, 7, 8, 15, 16, 18, 104, 128, 144]


def test_the_number_of_candidates_is_checked():
    assert check_candidates(5) == 5
    for wrong in (0, -1, 2.5, True, "x", None):
        with pytest.raises(
            InvalidArgumentError, match=f"candidates must be a whole number of at least 1, got {wrong!r}"
        ):
            ColBERTRetriever("some", candidates=wrong)


class Near(ColBERTRetriever):
    """Takes candidates however small the index is."""

    exact_up_to = 0


THINGS = ("well", "pump", "filter", "snake", "bread", "river", "lamp", "stone", "cloud", "tea")


def documents(numbers, version="old"):
    return [
        {
            "id": f"doc-{at}",
            "text": f"A {version} {THINGS[at % 10]} with {THINGS[at // 10 % 10]}, number {at}.",
            "metadata": {"even": at % 2 == 0},
        }
        for at in numbers
    ]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return load_colbert(str(tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint")), offline=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory, encoder):
    """An index that tests copy."""
    folder = tmp_path_factory.mktemp("made") / "index"
    with RAG(folder, retrievers=(Near(encoder=encoder, candidates=20),)) as rag:
        rag.add(documents(range(80)))
    return folder


@pytest.fixture
def rag(tmp_path, made, encoder):
    shutil.copytree(made, tmp_path / "index")
    return RAG(tmp_path / "index", retrievers=(Near(encoder=encoder, candidates=20),))


def folder_of(rag):
    with rag.index.read() as snapshot:
        return next((rag.index.folder / row[0] for row in snapshot.rows("SELECT folder FROM derived")), None)


def hits(rag, query="a snake with bread", top_k=5, where=None):
    return [(hit.node.source, hit.score) for hit in rag.retrieve(query, top_k, where)]


def exact_hits(rag, query="a snake with bread", top_k=5, where=None):
    encoder = rag.retrievers[0].encoder
    return hits(RAG(rag.index.folder, retrievers=(ColBERTRetriever(encoder=encoder),)), query, top_k, where)


def test_status_shows_how_many_candidates_there_are_and_their_recall(rag):
    use = rag.status().vectors["colbert"].candidates
    assert (use.candidates, use.is_usable) == (20, True)
    assert 0 < use.recall <= 1
    recall = f"recall@10 against exact search about {use.recall:.3f} (estimated from stored texts)"
    assert str(use) == f"20 texts are scored exactly, {recall}"
    assert "colbert-candidates" in rag.status().derived
    found, best = hits(rag, top_k=20), exact_hits(rag, top_k=80)
    assert len(found) == 20
    assert set(found) < set(best)
    assert found[0] == best[0]


def test_what_is_added_replaced_and_removed_is_found_replaced_and_gone(rag):
    rag.add([*documents([7], "new"), *documents([100], "green")])
    rag.remove("doc-3")
    assert hits(rag, "A new stone with well, number 7.")[0][0] == "doc-7"
    assert hits(rag, "A green well with well, number 100.")[0][0] == "doc-100"
    assert "doc-3" not in dict(hits(rag, "A old snake with well, number 3.", 80))
    assert {source for source, _ in hits(rag, where={"even": False})} <= {f"doc-{at}" for at in range(1, 80, 2)}
    assert rag.verify().problems == ()


def test_files_of_segments_that_stay_are_taken_over(rag):
    before = {path.name: path.stat().st_ino for path in folder_of(rag).iterdir()}
    rag.add(documents([100]))
    after = {path.name: path.stat().st_ino for path in folder_of(rag).iterdir()}
    kept = set(before) - {"manifest.json"}
    assert all(before[name] == after[name] for name in kept)
    assert len(after) == len(before) + 3


def test_a_commit_that_is_not_refreshed_yet_is_searched(rag, encoder):
    """As after a writer was killed between its commit and what it derives."""
    text = "Green lamps hang over the river while the tea is cold and the clouds are white."
    matrix = encoder.encode_documents([text])[0]
    document, nodes = make_document("late", text)
    space = replace(encoder.space, format="float16")
    with rag.index.write() as writer:
        writer.commit([(document, nodes)], [NewVectors(space, [hash_text(text)], matrix, [False], [len(matrix)])])
    assert hits(rag, text)[0][0] == "late"
    assert [problem.cure for problem in rag.verify().problems] == ["refresh"]
    assert rag.verify(repair=True).remaining == ()


@pytest.mark.parametrize("damage", ["changed", "missing", "manifest"])
def test_damaged_files_mean_exact_search_until_they_are_mended(rag, damage, caplog):
    folder = folder_of(rag)
    file = folder / "manifest.json" if damage == "manifest" else next(folder.glob("*.codes"))
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(b"\xff" + file.read_bytes()[1:])
    rag.index.close()
    fresh = RAG(rag.index.folder, retrievers=(Near(encoder=rag.retrievers[0].encoder, candidates=1),))
    with caplog.at_level(logging.WARNING, logger="lateral"):
        assert hits(fresh) == exact_hits(fresh)
    assert "is damaged and not used" in caplog.text
    if damage != "changed":  # status reads no bytes of vectors; verify does
        assert str(fresh.status().vectors["colbert"].candidates).startswith("not usable, search is exact")
    assert [problem.cure for problem in fresh.verify().problems] == ["refresh"]
    assert fresh.verify(repair=True).remaining == ()
    assert folder_of(fresh) != folder
    assert fresh.status().vectors["colbert"].candidates.is_usable


def test_an_index_without_the_files_is_searched_exactly_and_mended(rag, encoder):
    with rag.index.write() as writer:
        writer.unpublish("colbert-candidates")
    assert hits(rag) == exact_hits(rag)
    assert rag.status().vectors["colbert"].candidates is None
    assert [problem.reason for problem in rag.verify().problems] == ["it is not built: search is exact"]
    assert rag.verify(repair=True).remaining == ()
    assert rag.status().vectors["colbert"].candidates is not None


def test_a_small_index_has_no_candidates(tmp_path, encoder):
    rag = RAG(tmp_path / "index", retrievers=(ColBERTRetriever(encoder=encoder),))
    rag.add(documents(range(5)))
    assert rag.status().vectors["colbert"].candidates is None
    assert rag.verify().problems == ()


def test_exact_search_can_be_asked_for(rag, encoder):
    exact = RAG(rag.index.folder, retrievers=(Near(encoder=encoder, candidates=1, index="exact"),))
    assert hits(exact, top_k=80) == exact_hits(rag, top_k=80)
    exact.add(documents([200]))
    assert exact.status().vectors["colbert"].candidates is None


def test_recall_is_measured_again_when_the_index_has_grown(rag):
    measured = ReducedFiles(folder_of(rag)).manifest.measured
    rag.add(documents([100]))
    assert ReducedFiles(folder_of(rag)).manifest.measured == measured
    rag.add(documents(range(200, 220)))
    assert ReducedFiles(folder_of(rag)).manifest.measured == 101


KILLED = """
import sys
from test_candidates import Near, documents, load_colbert
from lateral import RAG
rag = RAG(sys.argv[1], retrievers=(Near(encoder=load_colbert(sys.argv[2], offline=True), candidates=20),))
print("ready", flush=True)
for at in range(300, 400):
    rag.add(documents([at]))
    print(at, flush=True)
"""


def test_a_writer_that_is_killed_leaves_an_index_that_is_searched(rag, encoder):
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[1]}"}
    for acknowledged in (1, 3):
        command = [sys.executable, "-c", KILLED, str(rag.index.folder), str(encoder.folder.path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
            for _ in range(1 + acknowledged):
                last = child.stdout.readline().strip()
            child.send_signal(signal.SIGKILL)
        source = f"doc-{last}"
        assert source in rag.status().sources
        query = documents([int(last)])[0]["text"]
        found, best = hits(rag, query), exact_hits(rag, query, 500)
        assert len(found) == 5
        assert set(found) < set(best)
        assert source in dict(hits(rag, query, 20))
        assert {problem.cure for problem in rag.verify().problems} <= {"refresh"}
    assert rag.verify(repair=True).remaining == ()


@pytest.mark.slow
def test_real_vectors_are_recalled(tmp_path):
    encoder = load_colbert(str(minilm_checkpoint(tmp_path)), dtype="float32", offline=True)
    rag = RAG(tmp_path / "index", retrievers=(Near(encoder=encoder, candidates=30),), chunk_size=40, chunk_overlap=0)
    rag.add(str(Path(__file__).parents[2] / "notebooks" / "samples"))
    shares = []
    for query in (
        "How long should I wait before testing a flooded well?",
        "Which filters remove nitrate?",
        "boil water",
    ):
        best, found = dict(exact_hits(rag, query, 10)), dict(hits(rag, query, 10))
        shares.append(len(set(best) & set(found)) / len(best))
    assert np.mean(shares) >= 0.9
    assert rag.status().vectors["colbert"].candidates.recall >= 0.9

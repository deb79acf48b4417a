import json
import shutil

import pytest
from builders import make_document
from counting_encoders import NotingEmbedder, OwnRetrievers
from judged_corpora import DOCUMENTS, QRELS, QUERIES, write_beir, write_questions
from lateral import RAG, BiEncoderRetriever
from lateral.errors import EncoderMismatchError, IndexConfigError, InvalidArgumentError, SourceRootError
from lateral.rag.evaluation import Configuration, evaluate, read_beir, read_corpus, score_queries
from lateral.rag.evaluation.result import percentile
from lateral.rag.evaluation.searching import WARMING_LENGTHS, index_bytes, search_all
from lateral.retrievers.canned import CannedRetriever
from lateral.retrievers.hit import Hit

HASHED = {"bi-encoder": {"model": "hash-embedder-64"}}
BOTH = Configuration(("bm25", "bi-encoder"), settings=HASHED)
KEYS = {
    *("ndcg@10", "recall@5", "recall@10", "recall@100", "mrr@10", "map", "p50_ms", "p95_ms", "index_seconds"),
    *("bytes_per_document", "peak_memory_mb", "corpus", "documents", "chunks", "queries", "judged_by"),
    *("configuration", "remarks", "failed", "unanswerable"),
}


@pytest.fixture
def corpus(tmp_path):
    return read_beir(write_beir(tmp_path / "tiny"))


def test_bm25_on_a_tiny_corpus_scores_as_computed_by_hand(corpus, tmp_path):
    result = evaluate(corpus, Configuration(("bm25",)), tmp_path / "index")
    # "degrees" stands in tea (9 words) and bread (11): the shorter one comes first; graded 1 and 2.
    assert result.rankings == {"q-tea": ["tea"], "q-heat": ["tea", "bread"], "q-jar": ["honey"]}
    assert result.means["mrr@10"] == result.means["recall@5"] == result.means["map"] == 1
    heat = (1 + 2 / 1.584962500721156) / (2 + 1 / 1.584962500721156)  # log2(3)
    assert result.scores["ndcg@10"] == pytest.approx({"q-tea": 1, "q-heat": heat, "q-jar": 1})


def test_a_result_has_every_figure_and_its_json_the_promised_keys(corpus, tmp_path):
    done = []
    result = evaluate(corpus, BOTH, tmp_path / "index", on_query=lambda at, of: done.append((at, of)))
    shown = json.loads(json.dumps(result.as_dict()))
    assert set(shown) == KEYS
    assert (shown["documents"], shown["chunks"], shown["queries"]) == (4, 4, 3)
    assert shown["judged_by"] == {"document": 3}
    assert shown["configuration"]["retrievers"] == ["bm25", "bi-encoder"]
    assert 0 < shown["p50_ms"] <= shown["p95_ms"]
    assert shown["index_seconds"] > 0
    on_disk = sum(path.stat().st_size for path in (tmp_path / "index").rglob("*") if path.is_file())
    assert shown["bytes_per_document"] == pytest.approx(on_disk / 4, rel=0.5)
    assert 20 < shown["peak_memory_mb"] < 10_000
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert result.scores == score_queries(corpus.qrels, result.rankings)


def test_an_index_that_is_there_is_used_without_encoding_again(corpus, tmp_path):
    first = evaluate(corpus, BOTH, tmp_path / "index")
    segments = sorted((path.name, path.stat().st_mtime_ns) for path in (tmp_path / "index" / "vectors").iterdir())
    again = evaluate(corpus, Configuration(), tmp_path / "index")
    assert segments == sorted((it.name, it.stat().st_mtime_ns) for it in (tmp_path / "index" / "vectors").iterdir())
    assert again.index_seconds is None
    assert again.rankings == first.rankings
    assert again.configuration.retrievers == ("bm25", "bi-encoder")


def test_a_part_of_an_index_is_evaluated_alone_and_takes_less_room(corpus, tmp_path):
    whole = evaluate(corpus, BOTH, tmp_path / "index")
    for name in ("bm25", "bi-encoder"):
        part = evaluate(corpus, Configuration((name,)), tmp_path / "index")
        fresh = evaluate(corpus, Configuration((name,), settings=HASHED if name in HASHED else {}), tmp_path / name)
        assert part.rankings == fresh.rankings
        assert part.configuration.retrievers == (name,)
        assert part.index_bytes < whole.index_bytes


@pytest.mark.slow
def test_what_one_retriever_derives_is_not_charged_to_another(corpus, tmp_path):
    stored = {"bi-encoder": {**HASHED["bi-encoder"], "store": "chroma"}}
    whole = evaluate(corpus, Configuration(("bm25", "bi-encoder"), settings=stored), tmp_path / "index")
    with Configuration().open(tmp_path / "index") as rag:
        derived = rag.status().derived_uses["chroma"].bytes
    assert derived > 10_000
    alone = evaluate(corpus, Configuration(("bm25",)), tmp_path / "index")
    assert alone.index_bytes < whole.index_bytes - derived
    dense = evaluate(corpus, Configuration(("bi-encoder",)), tmp_path / "index")
    assert dense.index_bytes > whole.index_bytes - alone.index_bytes


def test_the_candidates_of_another_retriever_are_not_charged(corpus, tmp_path):
    whole = evaluate(corpus, BOTH, tmp_path / "index")
    for folder, size in (("bi-encoder-candidates", 5_000), ("bm25-candidates", 700), ("plaid-bi-encoder", 60)):
        (tmp_path / "index" / folder / ("0" * 32)).mkdir(parents=True)
        (tmp_path / "index" / folder / ("0" * 32) / "codes.bin").write_bytes(bytes(size))
    with BOTH.open(tmp_path / "index") as rag:
        assert index_bytes(rag.status(), ("bm25", "bi-encoder")) == pytest.approx(whole.index_bytes + 5_760, abs=200)
        sizes = {name: index_bytes(rag.status(), (name,)) for name in ("bm25", "bi-encoder")}
    shutil.rmtree(tmp_path / "index" / "bi-encoder-candidates")
    shutil.rmtree(tmp_path / "index" / "plaid-bi-encoder")
    with BOTH.open(tmp_path / "index") as rag:
        assert index_bytes(rag.status(), ("bm25",)) == sizes["bm25"]
        assert index_bytes(rag.status(), ("bi-encoder",)) == sizes["bi-encoder"] - 5_060


def test_segments_that_were_merged_are_not_counted(corpus, tmp_path):
    whole = evaluate(corpus, BOTH, tmp_path / "index")
    (tmp_path / "index" / "vectors" / ("0" * 32 + ".npy")).write_bytes(bytes(9_000))
    with BOTH.open(tmp_path / "index") as rag:
        assert index_bytes(rag.status(), ("bm25", "bi-encoder")) == pytest.approx(whole.index_bytes, abs=200)


def test_an_index_of_something_else_is_refused(corpus, tmp_path):
    rag = RAG(tmp_path / "index", retrievers=("bm25",))
    rag.add({"id": "mine", "text": "My own notes."})
    with pytest.raises(IndexConfigError, match=r"holds 1 documents that are not of tiny \(test\) \(such as 'mine'\)"):
        evaluate(corpus, Configuration(), tmp_path / "index")
    assert rag.status().documents == 1


def test_an_index_without_the_retriever_or_made_otherwise_is_refused(corpus, tmp_path):
    evaluate(corpus, Configuration(("bm25",)), tmp_path / "index")
    with pytest.raises(IndexConfigError, match="holds bm25, and no bi-encoder: name another folder"):
        evaluate(corpus, BOTH, tmp_path / "index")
    with pytest.raises(IndexConfigError, match="made with bm25 set to"):
        evaluate(corpus, Configuration(("bm25",), settings={"bm25": {"language": "german"}}), tmp_path / "index")
    evaluate(corpus, BOTH, tmp_path / "both")
    with pytest.raises(EncoderMismatchError, match="vectors of another space"):
        evaluate(corpus, Configuration(settings={"bi-encoder": {"model": "hash-embedder-32"}}), tmp_path / "both")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fusion": "magic"}, "there is no fusion named 'magic': convex, rrf"),
        ({"reranker": "magic"}, "there is no reranker named 'magic': cross-encoder=MODEL is built in"),
        ({"top_k": 0}, "top_k must be a whole number of at least 1, got 0"),
        ({"retrievers": ()}, "retrievers must name at least one retriever, got none"),
    ],
)
def test_a_wrong_configuration_is_an_error(settings, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Configuration(**settings)


def test_settings_of_a_retriever_that_is_not_there_are_an_error(corpus, tmp_path):
    with pytest.raises(InvalidArgumentError, match="settings for bi-encoder, which is not among bm25"):
        evaluate(corpus, Configuration(("bm25",), settings=HASHED), tmp_path / "index")


def test_chunks_of_one_document_count_once_at_the_best_rank(corpus):
    nodes = {
        name: make_document(name, f"{DOCUMENTS[name]} " * 6)[1] for name in ("tea", "bread")
    }  # each in several chunks
    ordered = [nodes["bread"][0], nodes["tea"][0], nodes["bread"][1], nodes["tea"][1]]
    search = CannedRetriever([Hit(node, 1 - at / 10) for at, node in enumerate(ordered)]).retrieve
    assert search_all(search, corpus, 100).rankings == {query: ["bread", "tea"] for query in QUERIES}
    assert search_all(search, corpus, 1).rankings == {query: ["bread"] for query in QUERIES}


def test_equal_scores_keep_our_order_in_the_measures(corpus):
    nodes = [make_document(name, DOCUMENTS[name])[1][0] for name in ("tea", "bread", "honey")]
    hits = CannedRetriever([Hit(node, 0.5) for node in nodes]).retrieve("any", 10)
    found = search_all(lambda query, top_k, where=None: hits, corpus, 10).rankings
    place = [hit.node.source for hit in hits].index("tea") + 1
    assert score_queries(QRELS, found)["mrr@10"]["q-tea"] == pytest.approx(1 / place)


def test_pages_files_and_answers_are_judged_each_by_its_unit(tmp_path):
    folder = write_questions(tmp_path / "docs")
    result = evaluate(read_corpus(folder), Configuration(("bm25",)), tmp_path / "index")
    assert {query: units[0] for query, units in result.rankings.items()} == {
        "q1": "tea.txt",
        "q2": "kettle.pdf#2",
        "q3": "answer",
    }
    assert result.judged_by == {"document": 1, "page": 1, "answer": 1}
    assert result.means["ndcg@10"] == 1
    assert (result.documents, result.failed, result.remarks) == (3, (), ())
    assert (len(result.rankings), result.unanswerable) == (3, 1)


def test_files_that_fail_and_pages_that_are_not_there_are_said(tmp_path):
    folder = write_questions(
        tmp_path / "docs",
        [
            {"question": "How hot is tea?", "file": "tea.txt"},
            {"question": "Descale?", "file": "kettle.pdf", "page": 9},
            {"question": "Broken?", "file": "broken.pdf"},
            {"question": "Gone?", "file": "gone.txt"},
        ],
    )
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    result = evaluate(read_corpus(folder), Configuration(("bm25",)), tmp_path / "index")
    assert [failure.error for failure in result.failed] == ["CorruptDocumentError"]
    unknown, missing = result.remarks
    assert (unknown.kind, unknown.count) == ("unknown_files", 1)
    assert (missing.kind, missing.count, missing.first) == ("not_indexed", 2, "kettle.pdf#9, query q2")
    assert result.means["recall@5"] == pytest.approx(1 / 4)


def test_a_corpus_of_which_nothing_can_be_indexed_is_an_error(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    (folder / "questions.jsonl").write_text('{"question": "Broken?", "file": "broken.pdf"}\n')
    with pytest.raises(InvalidArgumentError, match=r"no document of docs could be indexed: .*broken\.pdf"):
        evaluate(read_corpus(folder), Configuration(("bm25",)), tmp_path / "index")


def test_a_folder_that_is_neither_is_an_error(tmp_path):
    with pytest.raises(InvalidArgumentError, match="must hold a corpus in BEIR form"):
        read_corpus(tmp_path)
    with pytest.raises(InvalidArgumentError, match="must hold a corpus in BEIR form"):
        read_corpus(tmp_path / "nowhere")
    questions = write_questions(tmp_path / "docs") / "questions.jsonl"
    with pytest.raises(SourceRootError, match="there is no file or folder"):
        read_corpus(tmp_path / "nowhere", questions=questions)


def test_an_empty_query_has_no_time_and_a_model_is_loaded_before_the_first(tmp_path):
    queries = ['{"_id": "q-empty", "text": " "}', '{"_id": "q-tea", "text": "green tea"}']
    corpus = read_beir(write_beir(tmp_path / "tiny", queries=queries, qrels=["q-empty\ttea\t1", "q-tea\ttea\t1"]))
    encoder = NotingEmbedder()
    dense = OwnRetrievers(make=lambda: (BiEncoderRetriever(encoder=encoder),))
    result = evaluate(corpus, dense, tmp_path / "index")
    assert (list(result.milliseconds), list(result.rankings)) == (["q-tea"], ["q-empty", "q-tea"])
    *lengths, [warm_up], last = encoder.queries
    assert [len(text.split()) for [text] in lengths] == list(WARMING_LENGTHS)
    assert warm_up.startswith("warm up "), "and then words of a document, for BM25 and a reranker"
    assert last == ["green tea"]


def test_percentiles_are_values_that_were_met():
    values = [float(at) for at in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 95), percentile(values, 100)) == (50, 95, 100)
    assert (percentile([3.0, 1.0], 50), percentile([3.0, 1.0], 95), percentile([], 50)) == (1, 3, 0)

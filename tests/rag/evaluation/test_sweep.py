import json
import tempfile
from collections import Counter
from itertools import chain

import pytest
from colbert_checkpoints import tiny_checkpoint
from counting_encoders import NotingEmbedder, OwnRetrievers
from judged_corpora import DOCUMENTS, write_beir
from lateral import BiEncoderRetriever
from lateral.rag.evaluation import Configuration, compare, evaluate, read_beir, sweep
from lateral.rag.evaluation.side_by_side import TIMED

HASHED = {"bi-encoder": {"model": "hash-embedder-64"}}
BOTH = Configuration(("bm25", "bi-encoder"), settings=HASHED)


@pytest.fixture
def corpus(tmp_path):
    return read_beir(write_beir(tmp_path / "tiny"))


def test_a_sweep_stores_the_vectors_in_every_format_and_encodes_them_once(corpus, tmp_path):
    compare(corpus, BOTH, tmp_path / "index")
    rows = sweep(corpus, BOTH, tmp_path / "index")
    assert [row.name for row in rows] == [f"bi-encoder {form}" for form in ("float32", "float16", "int8", "binary")]
    sizes = [row.bytes_per_document for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    plain = evaluate(corpus, Configuration(("bi-encoder",)), tmp_path / "index")
    assert rows[0].scores == plain.scores
    assert rows[0].p is None
    assert all(0 < row.p <= 1 for row in rows[1:])


def test_vectors_whose_length_fills_no_bytes_are_swept_without_binary(corpus, tmp_path):
    odd = Configuration(("bi-encoder",), settings={"bi-encoder": {"model": "hash-embedder-20"}})
    compare(corpus, odd, tmp_path / "index")
    names = [row.name for row in sweep(corpus, odd, tmp_path / "index")]
    assert names == ["bi-encoder float32", "bi-encoder float16", "bi-encoder int8"]


def test_a_corpus_for_bm25_alone_has_nothing_to_sweep(corpus, tmp_path):
    alone = Configuration(("bm25",))
    compare(corpus, alone, tmp_path / "index")
    assert sweep(corpus, alone, tmp_path / "index") == []


def test_a_checkpoint_is_swept_over_formats_and_pooling(corpus, tmp_path):
    model = str(tiny_checkpoint(tmp_path / "checkpoint"))
    alone = Configuration(("colbert",), settings={"colbert": {"model": model}})
    compare(corpus, alone, tmp_path / "index")
    rows = {row.name: row for row in sweep(corpus, alone, tmp_path / "index")}
    assert len(rows) == 4 * 3
    sizes = [rows[f"colbert float32{pooled}"].bytes_per_document for pooled in ("", " pooled by 2", " pooled by 4")]
    assert sizes == sorted(set(sizes), reverse=True)
    assert rows["colbert float32"].p is None
    assert all(row.p is not None for name, row in rows.items() if name != "colbert float32")


def test_queries_that_are_not_timed_are_encoded_once_for_all_rows(tmp_path, monkeypatch):
    texts = {f"q{at}": f"tea for {at} minutes" for at in range(TIMED + 70)}
    queries = [json.dumps({"_id": name, "text": text}) for name, text in texts.items()]
    corpus = read_beir(write_beir(tmp_path / "many", queries=queries, qrels=[f"{name}\ttea\t1" for name in texts]))
    encoder, temporary, told = NotingEmbedder(), tmp_path / "temporary", []
    dense = OwnRetrievers(make=lambda: (BiEncoderRetriever(encoder=encoder),))
    compare(corpus, dense, tmp_path / "index")
    encoder.documents.clear()
    encoder.queries.clear()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    rows = sweep(
        corpus,
        dense,
        tmp_path / "index",
        on_query=lambda *at: told.append((*at, len(list(temporary.rglob("catalog.sqlite"))))),
    )
    assert len(rows) == 4
    assert all(len(row.milliseconds) == TIMED for row in rows)
    documents, asked = Counter(chain(*encoder.documents)), Counter(chain(*encoder.queries))
    assert {documents[text] for text in DOCUMENTS.values()} == {1}
    assert Counter(asked[text] for text in texts.values()) == {1: 70, 4: TIMED}
    assert [done for done, *_ in told] == list(range(1, 4 * (TIMED + 70) + 1))
    assert {indexes for *_, indexes in told} == {1}, "an index is removed before the next one is made"
    assert list(temporary.iterdir()) == []

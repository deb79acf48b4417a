"""PLAID, built by RAGatouille's and colbert-ai's own code, beside exact search over the same vectors."""

import json
import logging
import shutil
from contextlib import closing

import numpy as np
import pytest
from colbert_checkpoints import tiny_checkpoint
from lateral import RAG, ColBERTRetriever
from lateral.errors import InvalidArgumentError
from lateral.loaders.chunking import Chunker
from lateral.loaders.document import Document, Section
from lateral.rag.indexing.ingest import Ingest
from lateral.retrievers.models.colbert import load_colbert
from lateral.retrievers.models.colbert.cures import import_ragatouille
from plaid_passages import (
    QUERIES,
    documents,
    exact,
    found_by_plaid,
    generation_folder,
    hits,
    open_rag,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first build compiles for a minute and a half


class Counting:
    """An encoder that counts the documents that it encodes."""

    def __init__(self, encoder):
        self._encoder = encoder
        self.encoded = 0

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    @property
    def space(self):
        return self._encoder.space

    def encode_documents(self, texts):
        self.encoded += len(texts)
        return self._encoder.encode_documents(texts)


def recall(found, wanted):
    return len({name for name, _ in found} & {name for name, _ in wanted}) / len(wanted)


def test_plaid_finds_what_exact_search_finds_with_the_same_scores(read_only, texts):
    recalls = []
    for query in (*QUERIES, *texts[::30]):
        assert found_by_plaid(read_only, query) is not None
        wanted = dict(exact(read_only, query, 50))
        found = hits(read_only, query)
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
        assert all(score == pytest.approx(wanted[name], abs=1e-6) for name, score in found if name in wanted)
        recalls.append(recall(found, exact(read_only, query)))
    assert np.mean(recalls) >= 0.98


@pytest.mark.parametrize("bits", [1, 4])
def test_an_index_moves_to_plaid_and_back_and_nothing_is_encoded(tmp_path, exact_index, plaid_index, bits, encoder):
    shutil.copytree(exact_index, tmp_path / "index")
    counting = Counting(encoder)
    rag = open_rag(tmp_path / "index", counting, index="plaid", bits=bits)
    rag.add([])
    status = rag.status()
    assert status.retrievers["colbert"]["index"] == "plaid"
    assert status.retrievers["colbert"]["bits"] == str(bits)
    assert status.derived_uses["plaid"].fits
    two = open_rag(plaid_index, encoder).status().derived_uses["plaid"]
    assert (status.derived_uses["plaid"].bytes < two.bytes) == (bits < 2)
    assert np.mean([recall(hits(rag, query), exact(rag, query)) for query in QUERIES]) >= 0.9
    fresh = open_rag(tmp_path / "index", counting)  # as the catalog says
    assert found_by_plaid(fresh, QUERIES[0]) is not None
    back = open_rag(tmp_path / "index", counting, index="exact")
    back.add([])
    assert back.status().derived == ()
    assert "bits" not in back.status().retrievers["colbert"]
    assert hits(back, QUERIES[0]) == exact(rag, QUERIES[0])
    assert counting.encoded == 0


def test_the_index_is_opened_by_its_settings_alone(tmp_path, plaid_index, encoder, checkpoint):
    shutil.copytree(plaid_index, tmp_path / "index")
    settings = {"model": str(checkpoint), "index": "plaid", "bits": "2"}
    rag = RAG(tmp_path / "index", retrievers=(ColBERTRetriever(**settings),))
    assert found_by_plaid(rag, QUERIES[0]) is not None


def test_few_changes_are_seen_at_once_and_build_nothing(rag):
    first = generation_folder(rag)
    rag.remove(["doc-3", "doc-4"])
    rag.add([{"id": "new", "text": "A ball python is no programming language."}])
    rag.add([{"id": "doc-5", "text": "Sourdough rises for twelve hours.", "metadata": {"third": 2, "number": 5}}])
    assert generation_folder(rag) == first
    assert found_by_plaid(rag, "python") is not None
    assert hits(rag, "is a ball python a programming language", 1)[0][0] == "new"
    assert hits(rag, "sourdough rises for twelve hours", 1)[0][0] == "doc-5"
    for query in QUERIES:
        found = hits(rag, query, 100)
        assert not {name for name, _ in found} & {"doc-3", "doc-4"}
        assert recall(hits(rag, query), exact(rag, query)) >= 0.9
    assert rag.verify().problems == ()


def test_in_the_middle_of_a_run_nothing_is_built_and_what_was_added_is_searched_exactly(rag, encoder, texts):
    first, retriever = generation_folder(rag), rag.retrievers[0]

    def put(run, chosen):
        for document in documents(chosen, "in the newer version"):
            run.put(Document(document["id"], (Section(document["text"]),), {}), document["id"])
        run.commit()

    with (
        rag.index.write() as writer,
        closing(Ingest(writer, [retriever], lambda: Chunker(encoder.count_tokens, 128, 0))) as run,
    ):
        put(run, texts[:20])
        assert retriever.keep_up(writer), "few have changed"
        assert found_by_plaid(rag, QUERIES[0]) is not None
        put(run, texts[:250])
        assert not retriever.keep_up(writer)
        assert generation_folder(rag) == first
        assert found_by_plaid(rag, QUERIES[0]) is None
        assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
        run.finish()
    assert generation_folder(rag) != first
    assert found_by_plaid(rag, QUERIES[0]) is not None


def test_many_changes_build_a_new_generation_beside_the_old_one(rag, texts):
    first = generation_folder(rag)
    rag.add(documents(texts, "in the newer version"))
    second = generation_folder(rag)
    assert second != first
    assert second.parent == first.parent
    for query in QUERIES:
        assert recall(hits(rag, query), exact(rag, query)) >= 0.9
        assert all(hit.node.text.endswith("version") for hit in rag.retrieve(query))
    rag.remove([f"doc-{at}" for at in range(250)])  # too few are left
    assert generation_folder(rag) is None
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    assert rag.verify().problems == ()


@pytest.mark.parametrize(
    ("where", "by_plaid"),
    [
        ({"third": {"$ne": 7}}, True),
        ({"number": {"$lt": 290}}, True),
        ({"third": 1}, False),
        ({"number": {"$in": [7, 250]}}, False),
        ({"third": 99}, False),
    ],
)
def test_a_filter_comes_before_top_k(read_only, where, by_plaid):
    for query in QUERIES:
        wanted = exact(read_only, query, 10, where)
        found = hits(read_only, query, 10, where)
        assert (found_by_plaid(read_only, query, 10, where) is not None) == by_plaid
        assert len(found) == len(wanted)
        assert found == wanted if not by_plaid else recall(found, wanted) >= 0.9


@pytest.mark.parametrize("top_k", [1, 10, 100, 300, 5_000])
def test_there_are_as_many_hits_as_exact_search_has(read_only, top_k):
    for query in QUERIES[:2]:
        assert len(hits(read_only, query, top_k)) == len(exact(read_only, query, top_k)) == min(top_k, 300)


def test_equal_texts_have_a_hit_each(rag, texts):
    rag.add([{"id": f"twin-{at}", "text": texts[7]} for at in range(3)])
    found = hits(rag, texts[7], 4)
    assert {name for name, _ in found} == {"doc-7", "twin-0", "twin-1", "twin-2"}
    assert len({score for _, score in found}) == 1


@pytest.mark.parametrize("query", ["", "  "])
def test_an_empty_query_has_no_hits(read_only, query):
    assert hits(read_only, query) == []


def test_odd_queries_are_answered(read_only):
    for query in ("?!", "water " * 5_000):
        assert hits(read_only, query)[0] == exact(read_only, query)[0]


def test_below_its_minimum_plaid_is_not_built_and_search_is_exact(tmp_path, encoder, texts, caplog):
    caplog.set_level(logging.INFO, "lateral")
    rag = open_rag(tmp_path / "small", encoder, index="plaid")
    rag.add(documents(texts[:3]))
    assert rag.status().derived_uses == {}
    assert "PLAID is not built below 256 texts" in caplog.text
    assert len(hits(rag, "water")) == 3
    assert rag.verify().problems == ()


def test_nothing_is_printed(rag, capfd):
    hits(rag, QUERIES[0])
    assert capfd.readouterr() == ("", "")


def test_ragatouille_itself_opens_what_was_built_and_names_the_same(read_only, tmp_path, checkpoint, capfd):
    """What stands in a generation's folder is a RAGatouille index: only its passages and their ids are missing."""
    retriever = read_only.retrievers[0]
    with read_only.index.read() as snapshot:
        made = retriever._made(snapshot)
        view = retriever._shortlist.plaid(made).view(snapshot, made.space, retriever._search(snapshot))
    texts = len(view._text_of)
    matrices = {query: retriever._query(query) for query in QUERIES}
    mine = {it: view._opened.candidates(matrices[it], 10, np.ones(texts, np.bool_)).tolist() for it in QUERIES}
    theirs = tmp_path / "theirs"
    shutil.copytree(generation_folder(read_only) / "store", theirs)
    (theirs / "collection.json").write_text(json.dumps([f"passage {at}" for at in range(texts)]))
    (theirs / "pid_docid_map.json").write_text(json.dumps({at: f"id {at}" for at in range(texts)}))
    metadata = json.loads((theirs / "metadata.json").read_text())
    metadata["config"] |= {"checkpoint": str(checkpoint), "root": str(tmp_path), "index_name": "theirs"}
    (theirs / "metadata.json").write_text(json.dumps(metadata))
    opened = import_ragatouille().RAGPretrainedModel.from_index(theirs)
    for query in QUERIES:
        found = [hit["passage_id"] for hit in opened.search(query, k=10)]
        assert len(set(found) & set(mine[query])) >= 9  # it encodes the query itself: the last may change places


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"index": "hnsw"}, "index must be 'exact' or 'plaid', got 'hnsw'"),
        ({"index": "plaid", "bits": 3}, "bits must be 1, 2 or 4, got 3"),
        ({"index": "plaid", "bits": True}, "bits must be 1, 2 or 4, got True"),
        ({"bits": 2}, "say index='plaid' too"),
        ({"index": "exact", "bits": 2}, "say index='plaid' too"),
    ],
)
def test_wrong_choices_are_refused(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        ColBERTRetriever("acme/none", **options)


def test_vectors_that_can_not_be_packed_are_refused_before_an_index_is_made(tmp_path):
    encoder = load_colbert(str(tiny_checkpoint(tmp_path / "tiny")), offline=True)  # 16 dimensions
    rag = open_rag(tmp_path / "index", encoder, index="plaid", bits=4)
    with pytest.raises(InvalidArgumentError, match="16 dimensions and 4 bits: use 1 or 2 bits"):
        rag.add({"id": "a", "text": "A snake."})
    assert not (tmp_path / "index" / "vectors").exists()
    open_rag(tmp_path / "index", encoder, index="plaid", bits=2).add({"id": "a", "text": "A snake."})

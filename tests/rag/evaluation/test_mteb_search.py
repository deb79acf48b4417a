"""The adapter by itself, and inside mteb on a task made on the spot."""

import pytest
from judged_corpora import DOCUMENTS, QRELS, QUERIES
from lateral.errors import InvalidArgumentError
from lateral.rag.evaluation import Configuration, MtebSearch
from lateral.retrievers.models.cures import cure_torchvision

CONFIGURATION = Configuration(("bm25", "bi-encoder"), settings={"bi-encoder": {"model": "hash-embedder-64"}})
CORPUS = [{"id": name, "title": "", "text": text} for name, text in DOCUMENTS.items()]
ASKED = [{"id": name, "text": text} for name, text in QUERIES.items()]


@pytest.fixture
def search():
    search = MtebSearch(CONFIGURATION)
    yield search
    search.close()


def test_documents_come_back_in_our_order_with_falling_scores(search):
    search.index(CORPUS, hf_split="test", hf_subset="default")
    found = search.search(ASKED, top_k=10, hf_split="test", hf_subset="default")
    assert set(found) == set(QUERIES)
    for scores in found.values():
        assert list(scores.values()) == [float(len(scores) - at) for at in range(len(scores))]
    assert next(iter(found["q-tea"])) == "tea"


def test_a_new_corpus_takes_the_place_of_the_one_before(search):
    search.index(CORPUS)
    search.index([{"id": "only", "title": "Green", "text": "tea"}, {"id": "blank", "text": " "}])
    assert search.search(ASKED, top_k=10)["q-tea"] == {"only": 1}


def test_reranking_tasks_search_among_their_candidates(search):
    search.index(CORPUS)
    found = search.search(ASKED, top_k=10, top_ranked={"q-tea": ["bread", "kettle"], "q-heat": []})
    assert set(found["q-tea"]) <= {"bread", "kettle"}
    assert found["q-heat"] == found["q-jar"] == {}


def test_an_instruction_is_part_of_the_query(search):
    search.index(CORPUS)
    (scores,) = search.search([{"id": "q", "text": "which", "instruction": "nectar"}], top_k=1).values()
    assert list(scores) == ["honey"]


def test_what_can_not_be_searched_is_an_error(search):
    with pytest.raises(InvalidArgumentError, match="nothing is indexed yet"):
        search.search(ASKED, top_k=10)
    with pytest.raises(InvalidArgumentError, match="'a': expected a text, got None: tasks of images"):
        search.index([{"id": "a", "image": b""}])
    with pytest.raises(InvalidArgumentError, match="no document with text"):
        search.index([{"id": "a", "text": ""}])
    search.index(CORPUS)
    with pytest.raises(InvalidArgumentError, match="expected a text"):
        search.search([{"id": "q", "text": [{"role": "user", "content": "tea"}]}], top_k=1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # mteb's own, on import
def test_mteb_runs_a_task_on_the_pipeline(search):
    cure_torchvision()  # mteb imports sentence-transformers itself
    import mteb
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models import SearchProtocol

    class TinyTask(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="TinyTask",
            description="Four documents, three queries.",
            dataset={"path": "none", "revision": "1"},
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
            reference=None,
            date=None,
            domains=None,
            task_subtypes=None,
            license=None,
            annotations_creators=None,
            dialect=None,
            sample_creation=None,
            bibtex_citation=None,
        )

        def load_data(self, num_proc=None, **task):
            data = {"corpus": Dataset.from_list(CORPUS), "queries": Dataset.from_list(ASKED)}
            self.dataset = {"default": {"test": {**data, "relevant_docs": QRELS, "top_ranked": None}}}
            self.data_loaded = True

    assert isinstance(search, SearchProtocol)
    other = MtebSearch(Configuration(("bm25", "bi-encoder")))
    assert search.mteb_model_meta.name == other.mteb_model_meta.name == "lateral/bm25+bi-encoder"
    assert search.mteb_model_meta.revision != other.mteb_model_meta.revision
    result = mteb.evaluate(search, TinyTask(), cache=None, co2_tracker=False, show_progress_bar=False)
    scores = result.task_results[0].scores["test"][0]
    assert scores["recall_at_10"] == 1
    assert scores["ndcg_at_10"] > 0.9

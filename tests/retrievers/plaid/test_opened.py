"""How colbert-ai is opened: without a word, without a GPU, and without a trace."""

import numpy as np
import pytest
from lateral.retrievers.models.colbert.cures import import_ragatouille, opening_indexes
from lateral.retrievers.plaid.generation import STORE, Generation
from lateral.retrievers.plaid.opened import OpenedPlaid
from plaid_passages import generation_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def generation(rag):
    return Generation(generation_folder(rag))


def test_colbert_still_prints_and_draws_when_it_opens_an_index(generation, capsys):
    OpenedPlaid(generation)  # compiles where that is to be done
    assert capsys.readouterr() == ("", "")
    from colbert.search.index_storage import IndexScorer

    IndexScorer(str(generation.folder / STORE), use_gpu=False)
    found = capsys.readouterr()
    assert "#> Loading codec" in found.out, "opening an index is quiet now: drop the printing from opening_indexes"
    assert "100%" in found.err, "no bars are drawn now: drop them from opening_indexes"


def test_what_is_set_for_opening_is_put_back():
    import_ragatouille()
    from colbert.infra.config.settings import RunSettings
    from colbert.search import index_loader
    from colbert.utils import utils

    before = RunSettings.total_visible_gpus, index_loader.tqdm
    with opening_indexes():
        assert utils.print is not print
    assert (RunSettings.total_visible_gpus, index_loader.tqdm) == before
    assert "print" not in vars(utils)


def test_a_gpu_that_is_there_is_not_used(generation, monkeypatch):
    import_ragatouille()
    from colbert.infra.config.settings import RunSettings

    monkeypatch.setattr(RunSettings, "total_visible_gpus", 1)
    opened = OpenedPlaid(generation)
    query = np.eye(128, dtype=np.float32)[:4]
    assert len(opened.candidates(query, 5, np.ones(len(generation.keys), np.bool_))) == 5
    assert RunSettings.total_visible_gpus == 1


def test_only_allowed_texts_are_named(generation):
    opened = OpenedPlaid(generation)
    allowed = np.zeros(len(generation.keys), np.bool_)
    query = np.eye(128, dtype=np.float32)[:4]
    assert list(opened.candidates(query, 5, allowed)) == []
    allowed[opened.candidates(query, 3, np.ones_like(allowed))[2]] = True
    assert list(opened.candidates(query, 5, allowed)) == list(np.flatnonzero(allowed))

"""One real PLAID index, built once by colbert-ai, that tests copy."""

import shutil

import pytest
from colbert_checkpoints import minilm_checkpoint
from plaid_passages import colbert_encoder, documents, open_rag, passages


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    return minilm_checkpoint(tmp_path_factory.mktemp("plaid-checkpoint"))


@pytest.fixture(scope="session")
def encoder(checkpoint):
    return colbert_encoder(checkpoint)


@pytest.fixture(scope="session")
def texts():
    return passages()


@pytest.fixture(scope="session")
def exact_index(tmp_path_factory, encoder, texts):
    """An index that is searched exactly."""
    folder = tmp_path_factory.mktemp("exact") / "index"
    open_rag(folder, encoder).add(documents(texts))
    return folder


@pytest.fixture(scope="session")
def plaid_index(tmp_path_factory, encoder, exact_index):
    """The same, moved to PLAID."""
    folder = tmp_path_factory.mktemp("plaid") / "index"
    shutil.copytree(exact_index, folder)
    open_rag(folder, encoder, index="plaid").add([])
    return folder


@pytest.fixture(scope="session")
def read_only(plaid_index, encoder):
    """It, opened once, for tests that only search."""
    return open_rag(plaid_index, encoder, index="plaid")


@pytest.fixture
def rag(tmp_path, plaid_index, encoder):
    """A copy of it that a test may change."""
    shutil.copytree(plaid_index, tmp_path / "index")
    return open_rag(tmp_path / "index", encoder, index="plaid")

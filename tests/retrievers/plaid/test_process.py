"""The process that builds PLAID, when it can't."""

import errno
from dataclasses import replace

import pytest
from lateral.retrievers.plaid.generation import PlaidFailed
from lateral.retrievers.plaid.process import BuildJob, build_apart
from plaid_passages import open_rag

pytestmark = pytest.mark.slow


@pytest.fixture
def job(exact_index, encoder, tmp_path):
    with open_rag(exact_index, encoder).index.read() as snapshot:
        space = snapshot.config().retrievers[0].space
        generation = snapshot.generation
    (tmp_path / "folder").mkdir()
    return BuildJob(
        str(exact_index), generation, space.fingerprint, space.dim, space.format, 2, str(tmp_path / "folder")
    )


def test_another_generation_of_the_index_is_not_built_from(job):
    with pytest.raises(PlaidFailed, match=f"moved on from generation {job.generation + 1} to {job.generation}"):
        build_apart(replace(job, generation=job.generation + 1))


def test_what_the_disk_refuses_is_raised_as_it_is(job, tmp_path):
    with pytest.raises(OSError, match="none") as raised:
        build_apart(replace(job, folder=str(tmp_path / "none")))
    assert raised.value.errno == errno.ENOENT


def test_an_index_that_is_not_there_is_named(job, tmp_path):
    with pytest.raises(PlaidFailed, match="IndexNotFoundError: no index at"):
        build_apart(replace(job, index=str(tmp_path / "elsewhere")))


def test_whatever_colbert_raises_is_told(job):
    with pytest.raises(PlaidFailed, match="ValueError: negative shift count"):  # 3 bits
        build_apart(replace(job, bits=3))

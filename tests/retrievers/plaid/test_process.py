"""The process that builds PLAID, when it can't."""

import errno
import shutil
from dataclasses import replace

import pytest
from full_disks import file_system, fill, no_file_longer_than
from lateral.errors import StorageError
from lateral.retrievers.plaid.generation import PlaidFailed
from lateral.retrievers.plaid.process import BuildJob, build_apart
from plaid_passages import QUERIES, found_by_plaid, open_rag

pytestmark = pytest.mark.slow

FREE_BYTES = 300_000  # PLAID takes 530,000


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


@pytest.mark.parametrize("limit", [1_000, 100_000])  # less than opening the catalog takes, or colbert-ai's largest file
def test_a_full_disk_is_an_error_of_the_system_whatever_colbert_says_of_it(job, limit):
    with no_file_longer_than(limit), pytest.raises(OSError, match="File too large") as raised:
        build_apart(job)
    assert raised.value.errno == errno.EFBIG


def test_documents_are_in_and_plaid_is_built_once_there_is_space(tmp_path, exact_index, encoder):
    with file_system(tmp_path / "small", "32m") as place:
        shutil.copytree(exact_index, place / "index")
        rag = open_rag(place / "index", encoder, index="plaid")
        with rag.index.read():
            fill(place / "ballast")
            (place / "ballast").write_bytes(bytes((place / "ballast").stat().st_size - FREE_BYTES))
            with pytest.raises(StorageError, match="No space left on device: free some space, then run the same"):
                rag.add([])
        (place / "ballast").unlink()
        rag.add([])
        assert found_by_plaid(rag, QUERIES[0]) is not None


def test_an_index_that_is_not_there_is_named(job, tmp_path):
    with pytest.raises(PlaidFailed, match="IndexNotFoundError: no index at"):
        build_apart(replace(job, index=str(tmp_path / "elsewhere")))


def test_whatever_colbert_raises_is_told(job):
    with pytest.raises(PlaidFailed, match="ValueError: negative shift count"):  # 3 bits
        build_apart(replace(job, bits=3))

"""What is not as it was published is never opened: PLAID's files are pickles."""

import json
import pickle
import sqlite3
from contextlib import closing

import pytest
from lateral.retrievers.plaid.generation import Generation, PlaidFailed
from lateral.retrievers.store.segments import hash_file
from plaid_passages import QUERIES, exact, found_by_plaid, generation_folder, hits, open_rag

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Payload:
    """Runs when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def catalog(rag, statement, *values):
    with closing(sqlite3.connect(rag.index.folder / "catalog.sqlite")) as connection, connection:
        return connection.execute(statement, values).fetchall()


def test_a_flipped_bit_is_refused_by_name_and_repaired_for_readers_that_are_open_too(rag, encoder, caplog):
    reader = open_rag(rag.index.folder, encoder)
    file = generation_folder(rag) / "store" / "0.residuals.pt"
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    assert found_by_plaid(rag, QUERIES[0]) is None
    assert found_by_plaid(reader, QUERIES[0]) is None
    assert "0.residuals.pt' is not the file that was published" in caplog.text
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    assert [problem.cure for problem in rag.verify().problems] == ["refresh"]
    assert rag.verify(repair=True).remaining == ()
    assert generation_folder(rag) != file.parents[1]
    assert found_by_plaid(reader, QUERIES[0]) is not None
    assert found_by_plaid(open_rag(rag.index.folder, encoder), QUERIES[0]) is not None


@pytest.mark.parametrize("name", ["centroids.pt", "buckets.pt", "ivf.pid.pt", "0.codes.pt", "avg_residual.pt"])
def test_a_swapped_pickle_is_refused_and_nothing_in_it_runs(rag, tmp_path, name, caplog):
    written = tmp_path / "written by the payload"
    file = generation_folder(rag) / "store" / name
    file.write_bytes(pickle.dumps(Payload(written)))
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    assert f"{name}' is not the file that was published" in caplog.text
    assert not written.exists()


def test_nothing_in_a_pickle_runs_even_if_the_catalog_names_it(rag, tmp_path, caplog, monkeypatch):
    """An index from somewhere else may be made up whole; and torch may have been told to trust pickles."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    written = tmp_path / "written by the payload"
    file = generation_folder(rag) / "store" / "centroids.pt"
    file.write_bytes(pickle.dumps(Payload(written)))
    [[files]] = catalog(rag, "SELECT files FROM derived WHERE name = 'plaid'")
    named = {**json.loads(files), "store/centroids.pt": hash_file(file)}
    catalog(rag, "UPDATE derived SET files = ? WHERE name = 'plaid'", json.dumps(named))
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    assert "search is exact, PLAID is not used: it can't be opened" in caplog.text
    assert not written.exists()


@pytest.mark.parametrize("files", ["{", "[]", '{"store/none.pt": "00"}', '{"store": "00"}'])
def test_hashes_that_are_none_open_nothing(rag, files, caplog):
    catalog(rag, "UPDATE derived SET files = ? WHERE name = 'plaid'", files)
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    assert "is not the file that was published" in caplog.text


def test_a_generation_of_another_version_is_not_used(rag):
    folder = generation_folder(rag)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "colbert": "0.1"}))
    with pytest.raises(PlaidFailed, match="made by another version"):
        Generation(folder)
    status = rag.status()
    assert not status.derived_uses["plaid"].fits
    assert status.derived == ()
    (folder / "manifest.json").write_text(json.dumps({**manifest, "texts": 7}))
    with pytest.raises(PlaidFailed, match="names 300 texts in place of 7"):
        Generation(folder)
    (folder / "manifest.json").write_text("[]")
    with pytest.raises(PlaidFailed, match="can't be read"):
        Generation(folder)


def test_a_commit_that_nobody_refreshed_is_searched_exactly(rag):
    with rag.index.write() as writer, rag.index.read() as snapshot:
        writer.remove([next(snapshot.chunks()).document_id])
    assert found_by_plaid(rag, QUERIES[0]) is None
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    assert not rag.status().derived_uses["plaid"].fits
    assert rag.verify(repair=True).remaining == ()
    assert found_by_plaid(rag, QUERIES[0]) is not None


def test_an_index_whose_plaid_was_lost_says_so_and_is_repaired(rag):
    with rag.index.write() as writer:
        writer.unpublish("plaid")
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    assert [it.reason for it in rag.verify().problems] == ["PLAID is not built: search is exact"]
    assert rag.verify(repair=True).remaining == ()
    assert found_by_plaid(rag, QUERIES[0]) is not None

"""PLAID from the command line: said once, remembered, shown, and never in the way of what is printed."""

import re
import shutil

import pytest
from colbert_checkpoints import tiny_checkpoint
from command_line import as_json, run
from plaid_passages import QUERIES, hits, open_rag

pytestmark = pytest.mark.slow


def test_a_search_prints_json_and_nothing_else(tmp_path, plaid_index, encoder):
    shutil.copytree(plaid_index, tmp_path / "index")
    found = as_json(tmp_path, "search", QUERIES[0], "--index", "index")["hits"]
    assert found[0]["source"] == hits(open_rag(tmp_path / "index", encoder), QUERIES[0], 1)[0][0]


def test_status_shows_plaid_and_its_bytes(tmp_path, plaid_index):
    shutil.copytree(plaid_index, tmp_path / "index")
    shown = run(tmp_path, "status", "--index", "index").stdout
    assert "index plaid" in shown
    assert re.search(r"\bplaid \d{2,3} kB\b", shown)
    use = as_json(tmp_path, "status", "--index", "index")["derived_uses"]["plaid"]
    assert use["fits"] is True
    assert use["bytes"] > 100_000


def test_the_kind_of_index_and_its_bits_are_said_once(tmp_path):
    checkpoint = tiny_checkpoint(tmp_path / "tiny")
    (tmp_path / "tea.txt").write_text("Green tea is brewed at 80 degrees for two minutes.")
    making = ("--retrievers", "colbert", "--colbert", checkpoint)
    refused = run(tmp_path, "add", "tea.txt", *making, "--colbert-bits", 2)
    assert refused.returncode == 2
    assert "say index='plaid' too" in refused.stderr
    refused = run(tmp_path, "add", "tea.txt", *making, "--colbert-index", "plaid", "--colbert-bits", 4)
    assert refused.returncode == 2
    assert "use 1 or 2 bits" in refused.stderr
    (tmp_path / "lateral.toml").write_text('colbert_index = "plaid"\ncolbert_bits = 1\n')
    assert as_json(tmp_path, "add", "tea.txt", *making)["added"] == 1
    settings = as_json(tmp_path, "status")["retrievers"]["colbert"]
    assert (settings["index"], settings["bits"]) == ("plaid", "1")
    as_json(tmp_path, "add", "tea.txt", "--colbert-bits", 2)
    assert as_json(tmp_path, "status")["retrievers"]["colbert"]["bits"] == "2"
    as_json(tmp_path, "add", "tea.txt", "--colbert-index", "exact")
    settings = as_json(tmp_path, "status")["retrievers"]["colbert"]
    assert settings["index"] == "exact"
    assert "bits" not in settings


def test_a_ragatouille_index_is_imported(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "collection.json").write_text('["Green tea is brewed hot.", "Honey keeps."]')
    (folder / "pid_docid_map.json").write_text('{"0": "tea", "1": "honey"}')
    (tmp_path / "lateral.toml").write_text('retrievers = "bm25"\n')
    assert as_json(tmp_path, "import-ragatouille", folder)["added"] == 2
    assert as_json(tmp_path, "search", "honey")["hits"][0]["source"] == "honey"
    refused = run(tmp_path, "import-ragatouille", tmp_path / "none")
    assert refused.returncode == 2
    assert "is no RAGatouille index" in refused.stderr

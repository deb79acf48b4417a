"""`lateral add --store`: said once, remembered, shown, moved."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from colbert_checkpoints import tiny_checkpoint

LATERAL = Path(sys.executable).with_name("lateral")


@pytest.fixture
def home(tmp_path):
    """A working directory with a folder of files and a settings file that names the embedder without a model."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "tea.txt").write_text("Green tea is brewed at 80 degrees for two minutes.")
    (tmp_path / "docs" / "honey.txt").write_text("Honey keeps for years in a closed jar.")
    (tmp_path / "lateral.toml").write_text('model = "hash-embedder-64"\n')
    return tmp_path


def run(home, *arguments, code=0, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LATERAL_")}
    done = subprocess.run(
        [LATERAL, *arguments],
        cwd=home,
        env={**clean, "XDG_CONFIG_HOME": str(home / "config"), **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def as_json(home, *arguments, **environment):
    return json.loads(run(home, *arguments, "--json", **environment).stdout)


def test_a_store_is_said_once_and_remembered_and_shown(home):
    as_json(home, "add", "docs", "--store", "chroma")
    status = as_json(home, "status")
    assert status["retrievers"]["bi-encoder"] == {"model": "hash-embedder-64", "store": "chroma"}
    assert status["derived"] == ["bm25", "chroma"]
    assert "store chroma" in run(home, "status").stdout
    (home / "docs" / "salt.txt").write_text("Salt melts ice.")
    assert as_json(home, "add", "docs")["added"] == 1
    assert as_json(home, "status")["derived"] == ["bm25", "chroma"]
    (hit, *_) = as_json(home, "search", "green tea degrees")["hits"]
    assert hit["source"] == str(home / "docs" / "tea.txt")
    assert as_json(home, "verify") == {"problems": [], "remaining": []}


def test_an_index_moves_to_a_store_that_is_named_later_and_encodes_nothing(home):
    as_json(home, "add", "docs")
    assert as_json(home, "status")["derived"] == ["bm25"]
    before = {it.name: it.read_bytes() for it in (home / ".lateral" / "vectors").iterdir()}
    assert as_json(home, "add", "docs", "--store", "chroma")["unchanged"] == 2
    assert as_json(home, "status")["derived"] == ["bm25", "chroma"]
    assert {it.name: it.read_bytes() for it in (home / ".lateral" / "vectors").iterdir()} == before


def test_settings_name_the_store_of_a_new_index_only(home):
    as_json(home, "add", "docs")
    as_json(home, "add", "docs", LATERAL_STORE="chroma")
    assert "store" not in as_json(home, "status")["retrievers"]["bi-encoder"]
    as_json(home, "add", "docs", "--index", "new", LATERAL_STORE="chroma")
    assert as_json(home, "status", "--index", "new")["retrievers"]["bi-encoder"]["store"] == "chroma"


@pytest.mark.parametrize("name", ["store", "STORE"])
def test_a_folder_can_not_say_which_server_gets_the_vectors(home, name):
    (home / "lateral.toml").write_text(f'model = "hash-embedder-64"\n{name} = "chroma://example.org:8000"\n')
    told = " ".join(run(home, "add", "docs", code=2).stderr.split())
    assert "lateral.toml in the working directory must not set store to a server ('chroma://example.org:8000')" in told
    assert "give --store, set LATERAL_STORE, or write it to ~/.config/lateral/config.toml" in told
    assert not (home / ".lateral").exists()
    (home / "lateral.toml").write_text(f'model = "hash-embedder-64"\n{name.lower()} = "chroma"\n')
    as_json(home, "add", "docs")
    assert as_json(home, "status")["derived"] == ["bm25", "chroma"]


def test_a_server_that_is_not_there_is_said_and_costs_nothing(home):
    done = run(home, "add", "docs", "--store", "chroma://127.0.0.1:9")
    assert "2 added" in done.stdout
    assert "could not be brought up to date" in " ".join(done.stderr.split())
    assert as_json(home, "search", "green tea degrees")["hits"][0]["source"] == str(home / "docs" / "tea.txt")
    done = run(home, "verify", "--repair", code=3)
    assert "chroma: chroma://127.0.0.1:9 can't be asked" in done.stdout
    assert done.stderr == "Start the server, or name another store: `lateral add FOLDER --store auto`.\n"
    run(home, "add", "docs", "--store", "auto")
    assert run(home, "verify").stdout == "The index is sound: every byte was checked.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--store", "faiss"), "store must be 'auto', 'chroma' or 'chroma://host:port', got 'faiss'"),
        (("--store", "chroma", "--retrievers", "bm25"), "--store sets the bi-encoder retriever"),
    ],
)
def test_a_wrong_store_is_a_usage_error_that_says_what_to_write(home, arguments, message):
    done = run(home, "add", "docs", *arguments, code=2)
    assert message in " ".join(done.stderr.split())
    assert not (home / ".lateral").exists()


def test_vectors_are_stored_as_asked_and_status_shows_what_that_loses(home):
    assert run(home, "add", "docs", "--vectors", "int8").returncode == 0
    status = as_json(home, "status")
    use = status["vectors"]["bi-encoder"]
    assert (use["format"], use["vectors"]) == ("int8", status["chunks"])
    assert 0 <= use["loss"] < 0.001
    assert "as int8" in run(home, "status").stdout
    other = run(home, "add", "docs", "--vectors", "binary", code=3)
    assert "as int8, and not as binary" in other.stderr
    run(home, "add", "docs", "--index", "new", "--vectors", "int4", code=2)


def test_a_named_checkpoint_adds_colbert(home, tmp_path_factory):
    checkpoint = tiny_checkpoint(tmp_path_factory.mktemp("colbert") / "tiny")
    run(home, "add", "docs", "--colbert", str(checkpoint), "--colbert-vectors", "int8")
    status = as_json(home, "status")
    assert list(status["retrievers"]) == ["bm25", "bi-encoder", "colbert"]
    assert status["vectors"]["colbert"]["format"] == "int8"
    stages = {step["stage"] for hit in as_json(home, "search", "green tea")["hits"] for step in hit["trail"]}
    assert stages == {"bm25", "bi-encoder", "colbert", "convex"}

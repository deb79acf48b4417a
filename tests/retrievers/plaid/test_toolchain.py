"""PLAID where its C++ can't be compiled."""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import pytest
from lateral.errors import MissingToolError
from lateral.retrievers.plaid.toolchain import check_toolchain, compiling
from plaid_passages import QUERIES, documents, exact, found_by_plaid, generation_folder, hits, open_rag


@pytest.fixture
def only(tmp_path, monkeypatch):
    """Leaves some programs of the system, and no others."""

    def leave(*names):
        folder = tmp_path / "programs"
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).symlink_to(shutil.which(name))
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.delenv("CXX", raising=False)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))

    return leave


def test_what_is_found_is_named_and_not_run(only, tmp_path):
    only()
    programs, headers = tmp_path / "programs", sysconfig.get_path("include")
    for name in ("c++", "ninja"):
        (programs / name).touch(0o755)  # no program at all: it could not be run
    assert check_toolchain() == f"{programs / 'c++'}, {headers}/Python.h, {programs / 'ninja'}"


def test_a_missing_compiler_is_named_with_what_installs_it(only):
    only()
    with pytest.raises(MissingToolError, match=r"no 'c\+\+': `apt-get install g\+\+`"):
        check_toolchain()


def test_a_missing_ninja_is_named_with_what_installs_it(only):
    only("c++")
    with pytest.raises(MissingToolError, match="`pip install ninja`"):
        check_toolchain()


def test_missing_headers_are_named_with_what_installs_them(monkeypatch, tmp_path):
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(MissingToolError, match="`apt-get install python3-dev`"):
        check_toolchain()


def test_ninja_beside_python_is_found_and_a_dead_lock_is_removed(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    before = dict(os.environ)
    with compiling():
        place = Path(os.environ["TORCH_EXTENSIONS_DIR"])
        assert place.parent == tmp_path
        assert shutil.which("ninja")
    assert dict(os.environ) == before
    (place / "filter_pids_cpp").mkdir()
    (place / "filter_pids_cpp" / "lock").touch()  # as torch leaves it where a process is killed
    with compiling():
        assert not (place / "filter_pids_cpp" / "lock").exists()


@pytest.mark.slow
def test_no_index_is_made_and_none_is_moved_where_plaid_can_not_be_built(only, tmp_path, exact_index, encoder, texts):
    shutil.copytree(exact_index, tmp_path / "moving")
    only()
    with pytest.raises(MissingToolError, match="apt-get install"):
        open_rag(tmp_path / "new", encoder, index="plaid").add(documents(texts[:3]))
    moving = open_rag(tmp_path / "moving", encoder, index="plaid")
    with pytest.raises(MissingToolError, match="apt-get install"):
        moving.add(documents(["One more."], "new"))
    left = open_rag(tmp_path / "moving", encoder)
    assert left.status().retrievers["colbert"].get("index", "exact") == "exact"
    assert left.verify().problems == ()
    assert not (tmp_path / "new" / "vectors").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_documents_are_added_to_a_plaid_index_where_it_can_not_be_built_and_searched_exactly(rag, only, texts, caplog):
    first = generation_folder(rag)
    only()
    rag.add(documents(texts, "in a newer version"))
    assert "PLAID could not be brought up to date, search is exact until it is: PLAID needs a C++" in caplog.text
    assert generation_folder(rag) == first
    assert found_by_plaid(rag, QUERIES[0]) is None
    assert hits(rag, QUERIES[0]) == exact(rag, QUERIES[0])
    assert all("newer" in hit.node.text for hit in rag.retrieve(QUERIES[0]))

"""A folder of bad files, from end to end."""

import os
from pathlib import Path

import pytest
from bad_files import GOOD, write_bad_folder
from command_line import as_json, run


@pytest.fixture
def bad(tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    return folder, write_bad_folder(folder)


def names(entries, folder):
    return {os.path.relpath(it.source, folder): it.error for it in entries}


def test_every_bad_file_is_reported_and_the_others_are_indexed(rag, bad):
    folder, expected = bad
    report = rag.add(folder)
    errors = {name: error for name, error in expected.items() if error not in (None, "skipped")}
    assert names(report.failed, folder) == errors
    readable = sum(error is None for error in expected.values())
    assert report.added == readable + 3
    warned = {os.path.relpath(source, folder) for source, _ in report.warnings}
    assert {"nested.docx", "macros.docm", "huge-page.pdf", "bidi-and-tags.txt"} <= warned
    hits = rag.retrieve("At how many degrees is green tea brewed?", 20)
    assert {"good.txt", "good-too.txt", "good.docx"} <= {Path(hit.node.source).name for hit in hits}
    assert rag.verify().problems == ()


def test_adding_again_tries_the_bad_files_again_and_only_those(rag, bad, embedder):
    folder, _ = bad
    first = rag.add(folder)
    embedder.encoded.clear()
    (folder / "locked.docx").unlink()
    (folder / "locked.docx").write_bytes((folder / "good.docx").read_bytes())
    again = rag.add(folder)
    assert (again.added, again.unchanged) == (1, first.added)
    assert len(again.failed) == len(first.failed) - 1
    assert len(embedder.encoded) == 0  # the text is one that the index holds


def test_files_that_vanish_or_change_between_being_found_and_read_are_failures(rag, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("a.txt", "b.txt", "c.md"):
        (folder / name).write_text(f"{GOOD} {name}")
    calls = []

    def disturb(progress):
        calls.append(progress)
        if len(calls) == 1:  # the folder was walked, and nothing is read yet
            (folder / "a.txt").unlink()
            (folder / "b.txt").write_text("longer than it was when the folder was walked, in any case by some words")

    report = rag.add(folder, on_progress=disturb)
    assert {name: error for name, error in names(report.failed, folder).items()} == {
        "a.txt": "FileNotFoundError",
        "b.txt": "ChangedDocumentError",
    }
    assert report.added == 1


def test_the_command_line_names_the_failures_and_ends_with_1(bad):
    folder, expected = bad
    home = folder.parent
    (home / "lateral.toml").write_text('model = "hash-embedder-64"\n')
    added = as_json(home, "add", "bad", code=1)
    errors = {name: error for name, error in expected.items() if error not in (None, "skipped")}
    assert {os.path.relpath(it["source"], folder): it["error"] for it in added["failed"]} == errors
    assert added["added"] == sum(error is None for error in expected.values()) + 3
    shown = run(home, "add", "bad")
    assert shown.returncode == 1
    for name in errors:
        assert f"failed bad/{name}" in shown.stderr
    assert "Green tea" in run(home, "search", "green tea degrees").stdout

"""A folder of bad files as a whole; what each loader does with one is tested beside the loader."""

import logging
import os
import time
from pathlib import Path

import bad_files
import pytest
from bad_files import GOOD, write_bad_folder
from lateral.errors import CorruptDocumentError, DocumentError
from lateral.loaders import LoadFailure, Node, ParserPool, load, walk
from lateral.loaders.load import read
from office_files import make_docx

WARNED = {
    "a-pdf.txt": None,
    "a-document.xlsx": None,
    "loop.pdf": None,
    "nul.txt": None,
    "huge-page.pdf": "page 2 is too large for an image (over 40 megapixels at 150 dpi)",
    "nested.docx": "files inside the file are not opened: 'word/embeddings/inner.zip'",
    "a-photo.txt": "page 1 has no text layer: run OCR on it first",
    "macros.docm": "the file holds macros",
    "bad-utf-8.txt": "1 characters are not valid UTF-8 and were replaced",
    "surrogates.txt": "1 characters are not valid UTF-16 and were replaced",
    "bidi-and-tags.txt": "the text holds 4 invisible characters that turn or hide words",
}
SKIPPED = {
    "drawing.svg": "an SVG image",
    "loop/up": "a link to the folder",
    "nul-bytes.md": "a binary file (.md)",
    "pipe.txt": "a named pipe",
    "unknown.bin": "a binary file (.bin)",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """What a folder of bad files loads as: failures and nodes by the file's name, and what was logged."""
    folder = tmp_path_factory.mktemp("bad") / "files"
    folder.mkdir()
    expected = write_bad_folder(folder)
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    log = logging.getLogger("lateral.loaders.load")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        found = list(load(folder))
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    failures = {os.path.relpath(it.source, folder): it for it in found if isinstance(it, LoadFailure)}
    nodes = {}
    for it in found:
        if isinstance(it, Node):
            nodes.setdefault(os.path.relpath(it.source, folder), []).append(it)
    logged = [(record.levelno, os.path.relpath(record.args[0], folder), record.args[1]) for record in records]
    return expected, failures, nodes, logged


def test_each_bad_file_has_the_error_that_is_its_own(loaded):
    expected, failures, _, _ = loaded
    errors = {name: error for name, error in expected.items() if error not in (None, "skipped")}
    assert {name: failure.error for name, failure in failures.items()} == errors


def test_each_error_says_what_is_wrong_and_where(loaded):
    for failure in loaded[1].values():
        assert os.path.isabs(failure.source)
        assert failure.page is None
        assert ": " in failure.reason or "; " in failure.reason
        assert len(failure.reason) <= 500


def test_what_could_be_read_in_part_comes_with_a_warning(loaded):
    expected, _, nodes, logged = loaded
    assert {name for name, error in expected.items() if error is None} == set(WARNED)
    warnings = {name: words for level, name, words in logged if level == logging.WARNING}
    assert set(warnings) == {name for name, words in WARNED.items() if words}
    for name, words in WARNED.items():
        assert name in nodes
        assert words is None or warnings[name].startswith(words)


def test_what_is_never_opened_is_named_with_the_reason(loaded):
    skipped = {name: words for level, name, words in loaded[3] if level == logging.INFO}
    assert set(skipped) == set(SKIPPED)
    assert all(skipped[name].startswith(words) for name, words in SKIPPED.items())


def test_the_good_files_beside_them_are_read(loaded):
    nodes = loaded[2]
    assert set(nodes) == {*WARNED, "good.txt", "good-too.txt", "good.docx"}
    assert [nodes[name][0].text for name in ("good.txt", "good.docx", "macros.docm")] == [GOOD] * 3
    assert [node.text for node in nodes["huge-page.pdf"] if node.kind == "chunk"] == [GOOD, "Far away."]


def test_the_same_content_under_two_names_is_two_documents(loaded):
    one, other = (loaded[2][name][0] for name in ("good.txt", "good-too.txt"))
    assert one.text == other.text
    assert one.id != other.id


def test_no_text_has_lone_surrogates_or_nul_bytes(loaded):
    for nodes in loaded[2].values():
        for node in nodes:
            node.text.encode()
            assert "\0" not in node.text


def parsed(tmp_path, name, raw):
    (tmp_path / name).write_bytes(raw)
    (file,) = walk(tmp_path / name)
    with ParserPool(1) as pool:
        return read(file, pool)


@pytest.mark.slow
def test_a_flate_bomb_ends_its_process_and_no_other(tmp_path):
    raw = bad_files.flate_bomb()
    assert len(raw) < 10_000
    with pytest.raises(CorruptDocumentError, match=r"crashed its parser, as .* those that unpack to over 1\.5 GB"):
        parsed(tmp_path, "a.pdf", raw)


@pytest.mark.slow
def test_a_crowded_page_is_read(tmp_path):
    document = parsed(tmp_path, "a.pdf", bad_files.crowded_page())
    assert [section.text for section in document.sections] == [GOOD, ""]
    assert document.warnings == ("page 2 has no text layer: run OCR on it first",)


@pytest.mark.slow
def test_a_pdf_of_a_million_objects_is_read(tmp_path):
    assert len(parsed(tmp_path, "a.pdf", bad_files.pdf_of_many_objects()).sections) == 1


def test_a_line_of_10_mb_is_read_with_a_warning(tmp_path):
    begun = time.monotonic()
    document = parsed(tmp_path, "a.txt", bad_files.long_line())
    assert document.warnings[0].startswith("a line has 10,000,000 characters")
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
def test_a_device_or_pipe_that_is_named_is_a_failure_and_never_read(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    (failure,) = load(path)
    assert failure.error == "UnsupportedFormatError"
    assert "lateral reads text" in failure.reason


def test_files_that_vanish_or_change_while_the_folder_is_read_are_failures(tmp_path):
    for name in ("a.txt", "b.docx", "c.docx", "d.txt", "e.txt"):
        (tmp_path / name).write_bytes(make_docx(name) if name.endswith("x") else b"words")
    files = [item for item in walk(tmp_path)]
    (tmp_path / "b.docx").unlink()
    (tmp_path / "c.docx").write_bytes(make_docx("longer than it was when it was found"))
    (tmp_path / "d.txt").unlink()
    outcomes = {}
    with ParserPool(1) as pool:
        for file in files:
            try:
                outcomes[Path(file.path).name] = read(file, pool).sections[0].text
            except DocumentError as err:
                outcomes[Path(file.path).name] = f"{type(err).__name__}: {err.reason}"
    assert outcomes["a.txt"] == outcomes["e.txt"] == "words"
    assert outcomes["b.docx"].startswith("ChangedDocumentError: the file vanished after it was found")
    assert outcomes["c.docx"].startswith("ChangedDocumentError: the file changed after it was found: run again")
    assert outcomes["d.txt"].startswith("ChangedDocumentError: the file vanished")

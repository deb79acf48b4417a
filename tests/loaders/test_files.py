import os
import socket
import sqlite3
import subprocess
import sys

import pytest
from lateral.errors import (
    EmptyDocumentError,
    InvalidArgumentError,
    SourceRootError,
    UnsupportedFormatError,
)
from lateral.loaders import limits
from lateral.loaders.files import SkippedFile, SourceFile, find_file, walk
from lateral.loaders.node import LoadFailure
from permissions import folder_without_rights


def found(paths):
    return list(walk(paths))


def readable(paths):
    return [item.path for item in walk(paths) if isinstance(item, SourceFile)]


def only(paths, kind):
    items = [item for item in walk(paths) if isinstance(item, kind)]
    assert len(items) == 1, items
    return items[0]


def test_files_come_sorted_folder_by_folder(tmp_path):
    for name in ["b.txt", "a/z.md", "a/b/c.html", "c.pdf", "B.txt"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    assert [(os.path.relpath(item.path, tmp_path), item.format) for item in found(tmp_path)] == [
        ("B.txt", "text"),
        ("a/b/c.html", "html"),
        ("a/z.md", "markdown"),
        ("b.txt", "text"),
        ("c.pdf", "pdf"),
    ]


def test_a_file_is_described(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("text")
    status = path.stat()
    assert found(str(path)) == [SourceFile(str(path), "text", 4, status.st_mtime_ns, status.st_ctime_ns)]


def test_a_relative_path_becomes_absolute(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("text")
    monkeypatch.chdir(tmp_path)
    assert readable("a.txt") == readable(".") == [str(tmp_path / "a.txt")]


def test_a_file_named_twice_is_found_once(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    assert readable([tmp_path / "a.txt", tmp_path, tmp_path]) == [str(tmp_path / "a.txt")]


def test_the_same_content_under_two_names_is_two_files(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.txt").write_text("text")
    assert len(readable(tmp_path)) == 2


def test_an_empty_folder_and_no_paths_hold_nothing(tmp_path):
    assert found(tmp_path) == []
    assert found([]) == []


def test_hidden_files_and_folders_are_skipped_each_once(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.txt").write_text("text")
    (tmp_path / ".env").write_text("text")
    assert found(tmp_path) == [
        SkippedFile(str(tmp_path / ".env"), "hidden file"),
        SkippedFile(str(tmp_path / ".git"), "hidden folder"),
    ]


def test_a_hidden_path_is_read_when_it_is_named(tmp_path):
    (tmp_path / ".notes").mkdir()
    (tmp_path / ".notes" / "a.txt").write_text("text")
    assert readable(tmp_path / ".notes") == [str(tmp_path / ".notes" / "a.txt")]


@pytest.mark.parametrize("below", [True, False])
def test_an_index_is_never_walked(tmp_path, below):
    index = tmp_path / "my-index"
    index.mkdir()
    (index / "notes.txt").write_text("text")
    with sqlite3.connect(index / "catalog.sqlite") as connection:
        connection.execute("create table documents (id)")
    connection.close()
    skipped = only(tmp_path if below else index, SkippedFile)
    assert skipped == SkippedFile(str(index), "an index of lateral")


def test_a_folder_with_a_text_called_catalog_is_walked(tmp_path):
    (tmp_path / "catalog.sqlite").write_text("a text about catalogs")
    assert len(readable(tmp_path)) == 1


def test_formats_nobody_reads_are_skipped_with_the_reason(tmp_path):
    (tmp_path / "a.svg").write_bytes(b"<svg></svg>")
    assert found(tmp_path) == [SkippedFile(str(tmp_path / "a.svg"), "an SVG image")]


def test_a_named_file_that_nobody_reads_is_a_failure(tmp_path):
    path = tmp_path / "a.svg"
    path.write_bytes(b"<svg></svg>")
    failure = only(path, LoadFailure)
    assert failure.error == "UnsupportedFormatError"
    assert failure.reason == (
        "an SVG image: lateral reads text, Markdown, HTML, PDF, Word, PowerPoint, Excel and image files"
    )


class TestOneFile:
    def test_it_is_found_as_a_walk_finds_it(self, tmp_path):
        (tmp_path / "a.txt").write_text("text")
        assert find_file(tmp_path / "a.txt") == only(tmp_path, SourceFile)

    def test_a_folder_is_none(self, tmp_path):
        with pytest.raises(InvalidArgumentError, match=r"one file is asked for, and .* is a folder"):
            find_file(tmp_path)

    def test_a_missing_one_is_told(self, tmp_path):
        with pytest.raises(SourceRootError, match="there is no file or folder"):
            find_file(tmp_path / "a.txt")

    def test_one_that_is_not_read_has_its_error(self, tmp_path):
        (tmp_path / "a.svg").write_text("<svg></svg>")
        (tmp_path / "b.png").touch()
        with pytest.raises(UnsupportedFormatError, match="an SVG image: lateral reads"):
            find_file(tmp_path / "a.svg")
        with pytest.raises(EmptyDocumentError, match="0 bytes") as caught:
            find_file(tmp_path / "b.png")
        assert caught.value.source == str(tmp_path / "b.png")


def test_an_empty_file_is_a_failure(tmp_path):
    (tmp_path / "a.txt").touch()
    assert only(tmp_path, LoadFailure).error == "EmptyDocumentError"


def test_a_huge_file_is_a_failure(tmp_path):
    with (tmp_path / "a.txt").open("wb") as stream:
        stream.write(b"text " * 2000)
        stream.truncate(limits.MAX_FILE_BYTES + 1)
    failure = only(tmp_path, LoadFailure)
    assert failure.error == "LimitExceededError"
    assert "more than the limit of 50 MB" in failure.reason


def test_a_wrong_suffix_does_not_matter(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"%PDF-1.7\n")
    assert only(tmp_path, SourceFile).format == "pdf"


@pytest.mark.parametrize("given", ["missing", ["here.txt", "missing"]])
def test_a_missing_path_raises_before_anything_is_found(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.txt").write_text("text")
    with pytest.raises(SourceRootError, match=r"there is no file or folder '.*missing'"):
        walk(given)


def test_pipes_sockets_and_devices_are_skipped_and_never_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.txt")
        assert [item.reason for item in found(tmp_path)] == ["a named pipe", "a socket"]
    assert only("/dev/null", LoadFailure).reason.startswith("a device: lateral reads")


class TestLinks:
    def test_a_link_inside_the_folder_is_read_under_its_name(self, tmp_path):
        (tmp_path / "a.txt").write_text("text")
        (tmp_path / "b.txt").symlink_to("a.txt")
        assert readable(tmp_path) == [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]

    @pytest.mark.parametrize("target", ["secret.txt", "secrets"])
    def test_a_link_out_of_the_folder_is_a_failure(self, tmp_path, target):
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "a.txt").write_text("text")
        (tmp_path / "secret.txt").write_text("text")
        root = tmp_path / "root"
        root.mkdir()
        (root / "link").symlink_to(tmp_path / target)
        failure = only(root, LoadFailure)
        assert failure.source == str(root / "link")
        assert failure.error == "UnsafePathError"
        assert "leads out of the folder" in failure.reason
        assert readable(root) == []

    def test_a_sibling_whose_name_begins_alike_is_outside(self, tmp_path):
        (tmp_path / "root").mkdir()
        (tmp_path / "root-too").mkdir()
        (tmp_path / "root-too" / "a.txt").write_text("text")
        (tmp_path / "root" / "link").symlink_to(tmp_path / "root-too" / "a.txt")
        assert only(tmp_path / "root", LoadFailure).error == "UnsafePathError"

    def test_loops_are_not_followed(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "up").symlink_to("..")
        (tmp_path / "self").symlink_to("self")
        skipped = only(tmp_path, SkippedFile)
        assert skipped.reason.startswith("a link to the folder")
        assert only(tmp_path, LoadFailure).source == str(tmp_path / "self")

    def test_a_broken_link_is_a_failure(self, tmp_path):
        (tmp_path / "root").mkdir()
        for target in (tmp_path / "root" / "gone.txt", tmp_path / "gone.txt"):
            (tmp_path / "root" / "a.txt").symlink_to(target)
            failure = only(tmp_path / "root", LoadFailure)
            assert failure.error == "FileNotFoundError"
            assert failure.reason.startswith(f"the link's target does not exist: '{target}'; remove the link")
            (tmp_path / "root" / "a.txt").unlink()

    def test_a_named_link_is_followed(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "a.txt").write_text("text")
        (tmp_path / "link").symlink_to("real")
        assert readable(tmp_path / "link") == [str(tmp_path / "link" / "a.txt")]


@pytest.mark.parametrize("named", [False, True])
def test_a_file_whose_name_is_no_text_is_a_failure(tmp_path, named):
    path = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(path, "wb") as stream:
        stream.write(b"text")
    (failure,) = found(os.fsdecode(path) if named else tmp_path)
    reason = "the name is not valid UTF-8: rename it"
    assert failure == LoadFailure(f"{tmp_path}/caf\\udce9.txt", None, "UnsafePathError", reason)


@pytest.mark.parametrize("named", [False, True])
def test_a_folder_whose_name_is_no_text_is_one_failure(tmp_path, named):
    path = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(path)
    for name in (b"/a.txt", b"/b.txt"):
        with open(path + name, "wb") as stream:
            stream.write(b"text")
    (failure,) = found(os.fsdecode(path) if named else tmp_path)
    assert (failure.source, failure.error) == (f"{tmp_path}/caf\\udce9", "UnsafePathError")


@pytest.fixture
def folder_of_nobody():
    with folder_without_rights() as folder:
        yield folder


@pytest.mark.parametrize("name", ["a.txt", "folder"])
def test_what_may_not_be_read_is_a_failure(folder_of_nobody, name):
    path = folder_of_nobody / name
    path.mkdir() if name == "folder" else path.write_text("text")
    path.chmod(0)
    try:
        failure = only(folder_of_nobody, LoadFailure)
        assert (failure.source, failure.error) == (str(path), "PermissionError")
        assert failure.reason == "can't be read: Permission denied"
    finally:
        path.chmod(0o700)


def test_a_named_folder_that_may_not_be_read_raises(folder_of_nobody):
    (folder_of_nobody / "folder").mkdir(mode=0)
    with pytest.raises(SourceRootError, match=r"folder' can't be read \(Permission denied\): check its permissions"):
        walk(folder_of_nobody / "folder")


def test_a_deep_folder_needs_no_recursion(tmp_path):
    # It is taken away again from below: pytest's own clean-up would recurse.
    program = (
        "import os, sys; from lateral.loaders.files import walk; os.chdir(sys.argv[1])\n"
        "for _ in range(1200): os.mkdir('d'); os.chdir('d')\n"
        "open('a.txt', 'w').write('text')\n"
        "found = list(walk(sys.argv[1])); os.remove('a.txt')\n"
        "for _ in range(1200): os.chdir('..'); os.rmdir('d')\n"
        "print([item.format for item in found])"
    )
    result = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert result.stdout == "['text']\n"

import os
import tempfile
from pathlib import Path

import pytest
from lateral.errors import InvalidArgumentError
from lateral.output_file import check_free, check_writable, write_file


@pytest.mark.parametrize("name", ["x" * 300, "file/run.trec"])
def test_a_name_no_file_can_have_is_an_error_before_a_long_run(tmp_path, name):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidArgumentError, match="can't be written"):
        check_writable(tmp_path / name)


@pytest.fixture
def closed_folder():
    """A folder that its owner may read and not write, and permissions bind even where the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o500)
        was_root = os.geteuid() == 0
        if was_root:
            os.chown(name, 65534, -1)
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if was_root:
                os.seteuid(0)


def test_a_folder_that_may_not_be_written_is_an_error_before_a_long_run(closed_folder):
    with pytest.raises(InvalidArgumentError, match="permission denied"):
        check_writable(closed_folder / "run.trec")


def test_a_file_that_is_there_may_be_written(tmp_path):
    (tmp_path / "run.trec").write_text("old")
    assert check_writable(tmp_path / "run.trec") == tmp_path / "run.trec"


@pytest.mark.parametrize("content", ["tëa\n", b"t\xc3\xaba\n"])
def test_a_file_is_written_once_and_again_only_by_force(tmp_path, content):
    path = tmp_path / "out.txt"
    write_file(path, content, force=False, flag="--out")
    assert path.read_bytes() == b"t\xc3\xaba\n"
    with pytest.raises(InvalidArgumentError, match="is there already: name another file with --out, or add --force"):
        write_file(path, "other", force=False, flag="--out")
    assert path.read_bytes() == b"t\xc3\xaba\n"
    write_file(path, "other", force=True, flag="--out")
    assert path.read_text() == "other"


def test_a_link_that_leads_nowhere_is_there_too(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(InvalidArgumentError, match="is there already"):
        check_free(tmp_path / "link", force=False, flag="--out")


def test_a_name_must_end_as_the_flag_says(tmp_path):
    assert check_free(tmp_path / "a.MD", force=False, flag="--review", suffixes=(".md", ".html")) == tmp_path / "a.MD"
    with pytest.raises(InvalidArgumentError, match=r"--review writes \.md or \.html, got 'a\.txt'"):
        check_free(tmp_path / "a.txt", force=False, flag="--review", suffixes=(".md", ".html"))


def test_a_lone_surrogate_is_no_reason_to_lose_the_file(tmp_path):
    write_file(tmp_path / "a.txt", "a\ud800b", force=False, flag="--out")
    assert (tmp_path / "a.txt").read_text() == "a?b"

import os
from contextlib import closing

import pytest
from full_disks import no_file_longer_than
from lateral.errors import InvalidArgumentError
from lateral.output_file import check_free, check_writable, write_file
from permissions import folder_without_rights


@pytest.mark.parametrize("name", ["x" * 300, "file/run.trec"])
def test_a_name_no_file_can_have_is_an_error_before_a_long_run(tmp_path, name):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidArgumentError, match="can't be written"):
        check_writable(tmp_path / name)


def test_a_folder_that_may_not_be_written_is_an_error_before_a_long_run():
    with (
        folder_without_rights(0o500) as closed,
        pytest.raises(InvalidArgumentError, match="permission denied"),
    ):
        check_writable(closed / "run.trec")


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


@pytest.mark.parametrize("force", [True, False])
def test_a_full_disk_leaves_no_part_of_a_file(tmp_path, force):
    with no_file_longer_than(1_000), pytest.raises(InvalidArgumentError, match="File too large"):
        write_file(tmp_path / "out.txt", "x" * 100_000, force=force, flag="--out")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_costs_no_file_that_was_to_be_replaced(tmp_path):
    (tmp_path / "out.txt").write_text("old")
    with no_file_longer_than(1_000), pytest.raises(InvalidArgumentError, match="File too large"):
        write_file(tmp_path / "out.txt", "x" * 100_000, force=True, flag="--out")
    assert (tmp_path / "out.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_is_replaced_keeps_its_rights_and_the_links_to_it(tmp_path):
    (tmp_path / "out.txt").write_text("old")
    (tmp_path / "out.txt").chmod(0o640)
    (tmp_path / "link").symlink_to("out.txt")
    write_file(tmp_path / "link", "new", force=True, flag="--out")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "out.txt").read_text() == "new"
    assert (tmp_path / "out.txt").stat().st_mode & 0o777 == 0o640


def test_a_file_in_a_folder_that_may_not_be_written_is_replaced_where_it_stands():
    with folder_without_rights() as folder:
        (folder / "out.txt").write_text("old")
        folder.chmod(0o500)
        write_file(folder / "out.txt", "new", force=True, flag="--out")
        assert (folder / "out.txt").read_text() == "new"
        folder.chmod(0o700)


def test_a_pipe_may_be_written_by_force(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with closing(os.fdopen(reader, "rb")) as file:
        write_file(tmp_path / "pipe", "new", force=True, flag="--out")
        assert file.read() == b"new"
    assert (tmp_path / "pipe").is_fifo()

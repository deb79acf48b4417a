import io
import zipfile

import pytest
from lateral.loaders.zip_directory import MAX_DIRECTORY_BYTES, member_names


def archive(*names, comment=b""):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name in names:
            made.writestr(name, "content")
        made.comment = comment
    return buffer.getvalue()


def names(raw):
    return set(member_names(io.BytesIO(raw)))


def test_the_names_of_all_members():
    assert names(archive("[Content_Types].xml", "word/document.xml", "Größe.txt")) == {
        "[Content_Types].xml",
        "word/document.xml",
        "Größe.txt",
    }


@pytest.mark.parametrize(("before", "comment"), [(b"", b"x" * 60_000), (b"#!/bin/sh\n", b"")])
def test_a_comment_behind_and_a_program_before_do_not_matter(before, comment):
    assert names(before + archive("a", "b", comment=comment)) == {"a", "b"}


def test_the_names_of_an_archive_inside_are_not_taken_for_its_own():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("inner.zip", archive("word/document.xml"))
    assert names(buffer.getvalue()) == {"inner.zip"}


def test_an_empty_archive_has_none():
    assert names(archive()) == set()


@pytest.mark.parametrize(
    "raw",
    [b"", b"PK\x03\x04", b"x" * 100_000, archive("a", "b")[:-5], archive("a")[:-30]],
    ids=["empty", "a beginning", "no archive", "a cut end", "no end"],  # an archive holds the time when it was made
)
def test_what_is_no_whole_archive_has_none(raw):
    assert names(raw) == set()


def test_of_a_huge_directory_only_the_beginning_is_read():
    many = [f"{number:0200}" for number in range(6000)]
    found = names(archive(*many))
    assert 1000 < len(found) < MAX_DIRECTORY_BYTES / 200
    assert found < set(many)

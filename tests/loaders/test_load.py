import logging
import os

import pytest
from lateral.errors import (
    ChangedDocumentError,
    EmptyDocumentError,
    InvalidArgumentError,
    LateralError,
    SourceRootError,
    UnsupportedFormatError,
)
from lateral.loaders.chunking import Chunker, default_count_tokens
from lateral.loaders.files import SourceFile, walk
from lateral.loaders.load import MARKDOWN_BYTES_HERE, document_from_text, load, read
from lateral.loaders.node import LoadFailure, Node
from lateral.loaders.worker import ParserPool
from pdfs import make_pdf


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.md").write_text("# Pythons\n\nFeed an adult one rat a week.\n")
    (tmp_path / "b.html").write_text("<title>Adders</title><p>Adders bask in the sun.")
    (tmp_path / "c.pdf").write_bytes(make_pdf([["Boas give birth."], None], title="Boas"))
    (tmp_path / "d.txt").write_text("Cobras spread a hood.")
    return tmp_path


def the_file(path):
    (item,) = walk(path)
    assert isinstance(item, SourceFile)
    return item


class TestLoad:
    def test_every_format_becomes_nodes(self, folder):
        nodes = list(load(folder))
        assert [(os.path.basename(node.source), node.kind, node.page, node.text) for node in nodes] == [
            ("a.md", "chunk", None, "# Pythons\n\nFeed an adult one rat a week."),
            ("b.html", "chunk", None, "Adders bask in the sun."),
            ("c.pdf", "page", 1, "Boas give birth."),
            ("c.pdf", "chunk", 1, "Boas give birth."),
            ("c.pdf", "page", 2, ""),
            ("d.txt", "chunk", None, "Cobras spread a hood."),
        ]

    def test_metadata_say_the_file_and_its_title(self, folder):
        by_name = {node.metadata["file_name"]: node.metadata for node in load(folder)}
        assert {name: (entry["file_type"], entry.get("title")) for name, entry in by_name.items()} == {
            "a.md": ("markdown", "Pythons"),
            "b.html": ("html", "Adders"),
            "c.pdf": ("pdf", "Boas"),
            "d.txt": ("text", None),
        }

    def test_ids_survive_a_reload(self, folder):
        assert [node.id for node in load(folder)] == [node.id for node in load(folder)]

    def test_failures_come_in_place_and_the_rest_goes_on(self, folder):
        (folder / "b2.pdf").write_bytes(b"%PDF- broken")
        (folder / "c2.txt").touch()
        (folder / "d2.txt").write_text(" \n ")
        results = list(load(folder))
        names = [os.path.basename(item.source) for item in results]
        assert names == ["a.md", "b.html", "b2.pdf", "c.pdf", "c.pdf", "c.pdf", "c2.txt", "d.txt", "d2.txt"]
        assert [(item.source, item.error) for item in results if isinstance(item, LoadFailure)] == [
            (str(folder / "b2.pdf"), "CorruptDocumentError"),
            (str(folder / "c2.txt"), "EmptyDocumentError"),
            (str(folder / "d2.txt"), "EmptyDocumentError"),
        ]

    def test_a_file_that_vanishes_before_its_turn_is_a_failure(self, folder):
        for number in range(9):
            (folder / f"a{number}.txt").write_text("text")
        nodes = load(folder)
        first = next(nodes)
        os.remove(folder / "d.txt")
        rest = list(nodes)
        assert isinstance(first, Node)
        assert [(item.source, item.error) for item in rest if isinstance(item, LoadFailure)] == [
            (str(folder / "d.txt"), "FileNotFoundError")
        ]

    def test_warnings_and_skipped_files_are_logged(self, folder, caplog):
        (folder / "e.svg").write_bytes(b"<svg></svg>")
        with caplog.at_level(logging.INFO, "lateral"):
            list(load(folder))
        messages = [(record.levelname, record.getMessage()) for record in caplog.records]
        assert ("INFO", f"{folder / 'e.svg'} is skipped: an SVG image") in messages
        assert any(level == "WARNING" and "c.pdf: page 2 has no text layer" in text for level, text in messages)

    def test_the_chunker_is_used(self, folder):
        (folder / "long.txt").write_text("Seven words stand in this short sentence. " * 20)
        small = [node for node in load(folder / "long.txt", chunker=Chunker(default_count_tokens, 16, 0))]
        assert len(small) == 10
        assert len(list(load(folder / "long.txt"))) == 1

    def test_a_missing_path_raises_at_once(self, tmp_path):
        with pytest.raises(SourceRootError, match="there is no file or folder"):
            load(tmp_path / "missing")

    def test_a_named_file_that_nobody_reads_is_a_failure(self, tmp_path):
        (tmp_path / "e.svg").write_bytes(b"<svg></svg>")
        (failure,) = load(tmp_path / "e.svg")
        assert isinstance(failure, LoadFailure)
        assert failure.error == UnsupportedFormatError.__name__

    def test_an_empty_folder_holds_no_nodes(self, tmp_path):
        assert list(load(tmp_path)) == []

    def test_reading_may_stop_early(self, folder):
        nodes = load(folder)
        assert isinstance(next(nodes), Node)
        nodes.close()


class TestRead:
    @pytest.mark.parametrize("name", ["a.md", "b.html", "c.pdf", "d.txt"])
    def test_with_and_without_a_pool_is_the_same(self, folder, name):
        file = the_file(folder / name)
        with ParserPool(1) as pool:
            assert read(file, pool) == read(file)

    @pytest.mark.parametrize(("name", "raw"), [("a.txt", b" \n"), ("a.html", b"<script>x</script>"), ("a.md", b"\n")])
    def test_a_file_without_text_is_empty(self, tmp_path, name, raw):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(EmptyDocumentError, match="holds no text"):
            read(the_file(tmp_path / name))

    def test_a_pdf_without_text_has_pages(self, tmp_path):
        (tmp_path / "a.pdf").write_bytes(make_pdf([None]))
        assert [section.text for section in read(the_file(tmp_path / "a.pdf")).sections] == [""]

    @pytest.mark.parametrize(
        ("pages", "warnings"),
        [
            ([[]], ("its only page is blank: nothing of it can be found",)),
            ([[], [], []], ("all 3 pages are blank: nothing of it can be found",)),
            ([[], ["text"]], ()),
            ([[], None], ("page 2 has no text layer: run OCR on it first",)),
        ],
    )
    def test_a_file_of_nothing_but_blank_pages_is_told(self, tmp_path, pages, warnings):
        (tmp_path / "a.pdf").write_bytes(make_pdf(pages))
        assert read(the_file(tmp_path / "a.pdf")).warnings == warnings

    @pytest.mark.parametrize("name", ["c.pdf", "d.txt"])
    def test_a_file_that_vanished_is_told(self, folder, name):
        file = the_file(folder / name)
        os.remove(file.path)
        with pytest.raises(ChangedDocumentError, match="vanished after it was found"):
            read(file)

    @pytest.mark.parametrize("name", ["c.pdf", "d.txt"])
    def test_a_file_that_changed_is_told(self, folder, name):
        file = the_file(folder / name)
        with open(file.path, "ab") as stream:
            stream.write(b"more")
        with pytest.raises(ChangedDocumentError, match="changed after it was found"):
            read(file)

    @pytest.mark.parametrize("name", ["c.pdf", "d.txt"])
    def test_an_edit_that_keeps_the_size_is_told(self, folder, name):
        file = the_file(folder / name)
        os.utime(file.path, ns=(file.mtime_ns, file.mtime_ns + 1_000_000_000))
        with pytest.raises(ChangedDocumentError, match="changed after it was found"):
            read(file)

    @pytest.mark.parametrize(("size", "apart"), [(MARKDOWN_BYTES_HERE, False), (MARKDOWN_BYTES_HERE + 1, True)])
    def test_long_markdown_is_parsed_where_a_deadline_holds(self, tmp_path, size, apart):
        (tmp_path / "a.md").write_text("# x\n".ljust(size, "y"))
        pool = ParserPool(1)
        pool.close()
        file = the_file(tmp_path / "a.md")
        if apart:
            with pytest.raises(LateralError, match="this parser pool is closed"):
                read(file, pool)
        assert read(file, None if apart else pool).metadata["title"] == "x"

    def test_a_pipe_in_place_of_a_file_is_not_waited_for(self, folder):
        file = the_file(folder / "d.txt")
        status = os.stat(file.path)
        os.remove(file.path)
        os.mkfifo(file.path)
        os.utime(file.path, ns=(status.st_atime_ns, status.st_mtime_ns))
        with pytest.raises(ChangedDocumentError, match=r"changed|no regular file"):
            read(file)


class TestDocumentFromText:
    def test_is_one_section_of_clean_text(self):
        document = document_from_text("note-1", "One.\r\nTwo.\0", {"title": "Note", "year": 2024})
        assert document.source == "note-1"
        assert [(part.text, part.page, part.start_char) for part in document.sections] == [("One.\nTwo.", None, 0)]
        assert document.metadata == {"title": "Note", "year": 2024}
        assert document_from_text("note-1", "x").metadata == {}

    @pytest.mark.parametrize("text", ["", " \n\t", "\0"])
    def test_a_blank_text_is_refused(self, text):
        with pytest.raises(EmptyDocumentError, match="'note-1' is blank") as caught:
            document_from_text("note-1", text)
        assert caught.value.source == "note-1"

    @pytest.mark.parametrize("source", ["", "a\ud800", "a\0"])
    def test_a_bad_id_is_refused(self, source):
        with pytest.raises(InvalidArgumentError, match="id must be a non-empty text"):
            document_from_text(source, "text")

    def test_bad_metadata_are_refused(self):
        with pytest.raises(InvalidArgumentError, match=r"metadata\['a'\] must be"):
            document_from_text("note-1", "text", {"a": {"b": 1}})

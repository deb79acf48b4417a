import gc
import logging
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pikepdf
import psutil
import pytest
from lateral import RAG
from lateral.errors import LateralError
from lateral.rag.citing.boxes import BoxFinder
from lateral.rag.citing.citations import Citation
from lateral.rag.generators.generator import ScriptedGenerator
from lateral.retrievers.store import Index
from pdfs import changed, make_pdf

PAGES = [
    ["Wells are tested every year."],
    ["Boil the water for one minute.", "Let it cool.", "Wait an hour.", "Let it cool.", "Drink it."],
]
FIRST_LINE, LEADING = 780, 16  # where make_pdf puts its lines


@pytest.fixture
def path(tmp_path):
    (tmp_path / "well.pdf").write_bytes(make_pdf(PAGES))
    return tmp_path / "well.pdf"


@pytest.fixture
def rag(tmp_path, path):
    with RAG(tmp_path / "index", retrievers="bm25") as rag:
        rag.add(path)
        yield rag


@pytest.fixture
def finder(rag):
    finder = BoxFinder(rag.index)
    yield finder
    finder.close()


def lines(boxes):
    """The 0-based lines that boxes stand on."""
    return [round((FIRST_LINE - bottom) / LEADING) for _, bottom, _, _ in boxes]


def parsers():
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


def answer(rag, text):
    asking = RAG(rag.index.folder, generator=ScriptedGenerator([text]))
    return asking.ask("boil the water")


def test_a_citation_stands_where_its_quote_does(rag, finder):
    given = answer(rag, "“Boil the water for one minute.” [1]")
    (citation,) = finder.locate(given.citations, given.passages)
    ((left, bottom, right, top),) = citation.boxes
    assert (left, bottom) == pytest.approx((72, FIRST_LINE), abs=1.2)
    assert top == pytest.approx(FIRST_LINE + 0.72 * 12, abs=0.6)
    assert replace(citation, boxes=()) == given.citations[0]
    assert right > left


def test_a_quote_over_lines_has_a_box_each(rag, finder):
    given = answer(rag, "“Wait an hour. Let it cool. Drink” [1]")
    (citation,) = finder.locate(given.citations, given.passages)
    assert lines(citation.boxes) == [2, 3, 4]


def test_hits_nodes_and_passages_have_boxes_too(rag, finder):
    given = answer(rag, "x")
    hit = given.hits[0]
    assert list(map(lines, finder.find([hit, hit.node, given.passages[0]]))) == [[0, 1, 2, 3, 4]] * 3


def test_the_passage_tells_which_of_several_places_is_meant(rag, finder):
    given = answer(rag, "“Let it cool.” [1]")
    (passage,) = (it for it in given.passages if it.page == 2)
    second = passage.text.rindex("Let it")
    later = replace(passage, text=passage.text[second:], start_char=passage.start_char + second)
    assert lines(finder.locate(given.citations, [passage])[0].boxes) == [1]
    assert lines(finder.locate(given.citations, [later])[0].boxes) == [3]
    assert lines(finder.find(given.citations)[0]) == [1]


def test_order_is_kept_over_files_and_what_has_no_boxes(rag, finder, path):
    other = path.with_name("other.pdf")
    other.write_bytes(make_pdf([["Boil the water twice."]]))
    path.with_name("notes.txt").write_text("Boil the water.")
    rag.add(path.parent)
    hits = rag.retrieve("boil water")
    assert {Path(hit.node.source).name: lines(found) for hit, found in zip(hits, finder.find(hits), strict=True)} == {
        "well.pdf": [0, 1, 2, 3, 4],
        "other.pdf": [0],
        "notes.txt": [],
    }


def test_a_number_without_a_passage_has_no_boxes(finder):
    missing = Citation(7, None, None, None, "")
    assert finder.locate([missing], []) == [missing]
    assert finder.find([missing]) == [()]


class TestFilesThatChanged:
    def found(self, rag, finder):
        return finder.find(rag.retrieve("boil water"))

    def test_a_changed_file_has_no_boxes(self, rag, finder, path):
        path.write_bytes(make_pdf([*PAGES, ["more"]]))
        assert self.found(rag, finder) == [()]

    def test_nor_has_one_that_kept_its_size(self, rag, finder, path):
        path.write_bytes(path.read_bytes()[:-1] + b"\r")
        assert self.found(rag, finder) == [()]

    def test_a_touched_file_has_them(self, rag, finder, path):
        os.utime(path)
        assert len(self.found(rag, finder)[0]) == 5

    def test_a_file_that_is_gone_has_none(self, rag, finder, path):
        path.unlink()
        assert self.found(rag, finder) == [()]

    def test_a_folder_in_its_place_has_none(self, rag, finder, path):
        path.unlink()
        path.mkdir()
        assert self.found(rag, finder) == [()]

    def test_a_file_that_is_out_of_the_index_has_none(self, rag, finder, path):
        hits = rag.retrieve("boil water")
        rag.remove(path)
        assert finder.find(hits) == [()]

    def test_no_index_is_no_error(self, rag, tmp_path):
        hits = rag.retrieve("boil water")
        assert BoxFinder(Index(tmp_path / "none")).find(hits) == [()]

    def test_a_document_in_memory_has_none(self, rag, finder):
        rag.add({"id": "memo", "text": "Zebras.", "metadata": {"file_type": "pdf"}})
        assert finder.find(rag.retrieve("zebras")) == [()]

    def test_a_file_that_cannot_be_read_any_more_is_logged(self, rag, finder, path, caplog):
        raw = changed(make_pdf(PAGES), lambda pdf: None, encryption=pikepdf.Encryption(owner="o", user="u"))
        hits = rag.retrieve("boil water")
        path.write_bytes(raw)
        with rag.index.write() as writer:  # as if it had been read when it still had no password
            with rag.index.read() as snapshot:
                (document,) = snapshot.documents()
            now = path.stat()
            writer.touch([replace(document, stat=(now.st_size, now.st_mtime_ns, now.st_ctime_ns))])
        with caplog.at_level(logging.WARNING, "lateral.rag.citing.boxes"):
            assert finder.find(hits) == [()]
        assert "well.pdf: its passages can't be shown on their pages: the PDF is encrypted" in caplog.text


class TestTheParsingProcess:
    def test_one_serves_all_calls_until_the_finder_is_closed(self, rag, finder):
        before, hits = parsers(), rag.retrieve("boil water")
        finder.find(hits)
        started = parsers() - before
        finder.find(hits)
        assert len(started) == 1
        assert parsers() - before == started
        finder.close()
        finder.close()
        assert parsers() == before
        assert len(finder.find(hits)[0]) == 5

    def test_none_starts_for_what_has_no_boxes(self, rag, finder, path):
        path.unlink()
        before = parsers()
        finder.find(rag.retrieve("boil water"))
        assert parsers() == before

    def test_it_ends_with_a_finder_that_nobody_closed(self, rag):
        before, finder = parsers(), BoxFinder(rag.index)
        finder.find(rag.retrieve("boil water"))
        assert parsers() != before
        del finder
        gc.collect()
        assert parsers() == before

    def test_a_forked_process_has_its_own_and_leaves_its_parents(self, rag, path):
        program = f"""
            import os
            from lateral import RAG
            from lateral.rag.citing.boxes import BoxFinder
            rag = RAG({str(rag.index.folder)!r})
            hits = rag.retrieve("boil water")
            finder = BoxFinder(rag.index)
            first = finder.find(hits)
            parent = finder.pool()._idle[0]
            child = os.fork()
            if not child:
                assert finder.find(hits) == first
                finder.close()
                raise SystemExit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert finder.find(hits) == first
            assert finder.pool()._idle == [parent]
        """
        result = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, "")

    def test_one_that_cannot_start_is_an_error(self, rag, finder, tmp_path, monkeypatch):
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "resource.py").write_text("raise RuntimeError('no resources here')")
        monkeypatch.syspath_prepend(tmp_path / "broken")
        with pytest.raises(LateralError, match="did not start"):
            finder.find(rag.retrieve("boil water"))


def test_an_index_that_was_copied_still_finds_the_files(rag, tmp_path):
    shutil.copytree(rag.index.folder, tmp_path / "copy")
    copied = RAG(tmp_path / "copy")
    finder = BoxFinder(copied.index)
    assert len(finder.find(copied.retrieve("boil water"))[0]) == 5
    finder.close()

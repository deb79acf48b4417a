import os
from dataclasses import replace

import numpy as np
import pytest
from images import make_image, opened
from lateral import RAG
from lateral.errors import (
    ChangedDocumentError,
    IndexNotFoundError,
    InvalidArgumentError,
    LimitExceededError,
    UnsupportedFormatError,
)
from lateral.loaders.node import Node, document_id
from lateral.rag.citing.citations import Citation
from lateral.rag.generators.generator import ScriptedGenerator
from office_files import make_pptx
from pdfs import make_pdf

PAGES = [
    ["Wells are tested every year."],
    ["Boil the water for one minute.", "Let it cool.", "Wait an hour.", "Let it cool.", "Drink it."],
]
FIRST_LINE, LEADING, HEIGHT = 780, 16, 842  # where make_pdf puts its lines, on A4


@pytest.fixture
def path(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "well.pdf").write_bytes(make_pdf(PAGES))
    return tmp_path / "docs" / "well.pdf"


@pytest.fixture
def rag(tmp_path, path):
    with RAG(tmp_path / "index", retrievers="bm25") as rag:
        rag.add(path)
        yield rag


def answer(rag, text):
    return RAG(rag.index.folder, generator=ScriptedGenerator([text])).ask("boil the water")


def marked_lines(picture):
    """The 0-based lines of a page that are yellow a point below their first letters, which have no descenders."""
    pixels = np.asarray(opened(picture.png).convert("RGB")).astype(int)
    scale = picture.dpi / 72
    rows = [round((HEIGHT - FIRST_LINE + LEADING * line + 1) * scale) for line in range(5)]
    blue = [pixels[row, round(75 * scale), 2] for row in rows]
    return [line for line, value in enumerate(blue) if value < 200]


def test_a_citation_shows_its_page_with_the_quote_in_yellow(rag, path):
    (citation,) = answer(rag, "“Wait an hour.” [1]").citations
    picture = rag.picture(citation)
    assert (picture.source, picture.page, picture.dpi) == (str(path), 2, 150)
    assert (picture.width, picture.height) == (1241, 1754)
    assert marked_lines(picture) == [2]


def test_a_located_citation_brings_its_boxes(rag):
    given = answer(rag, "“Let it cool.” [1]")
    (passage,) = (it for it in given.passages if it.page == 2)
    second = passage.text.rindex("Let it")
    later = replace(passage, text=passage.text[second:], start_char=passage.start_char + second)
    (located,) = rag.locate(replace(given, passages=(later,))).citations
    assert marked_lines(rag.picture(given.citations[0])) == [1]
    assert marked_lines(rag.picture(located)) == [3]


def test_hits_nodes_and_passages_show_their_pages_too(rag):
    given = answer(rag, "x")
    hit = given.hits[0]
    for text in (hit, hit.node, given.passages[0]):
        assert marked_lines(rag.picture(text)) == [0, 1, 2, 3, 4]


def test_nothing_is_marked_where_that_is_asked(rag):
    hit = rag.retrieve("boil water")[0]
    assert marked_lines(rag.picture(hit, highlight=False)) == []


def test_the_resolution_is_the_callers(rag):
    hit = rag.retrieve("boil water")[0]
    assert (rag.picture(hit, dpi=72).width, rag.picture(hit, dpi=144).width) == (596, 1191)
    with pytest.raises(InvalidArgumentError, match="dpi must be a number above 0"):
        rag.picture(hit, dpi=0)
    with pytest.raises(LimitExceededError, match=r"ask for at most 643 dpi"):  # sqrt(40e6 / (595.28 * 841.89)) * 72
        rag.picture(hit, dpi=1200)


def test_a_scanned_page_and_an_image_are_shown_without_marks(rag, path):
    path.with_name("scan.pdf").write_bytes(make_pdf([None]))
    path.with_name("photo.png").write_bytes(make_image("png", size=(300, 200)))
    rag.add(path.parent)
    with rag.index.read() as snapshot:
        documents = snapshot.documents()
        bare = [node for it in documents for node in snapshot.document_nodes(it.id) if not node.text]
    pictures = {os.path.basename(node.source): rag.picture(node) for node in bare}
    assert {name: (picture.width, picture.height) for name, picture in pictures.items()} == {
        "scan.pdf": (1241, 1754),
        "photo.png": (300, 200),
    }
    assert opened(pictures["photo.png"].png).getpixel((10, 10)) == (255, 0, 0)


def test_one_process_serves_boxes_and_pictures(rag):
    hit = rag.retrieve("boil water")[0]
    rag.boxes(hit)
    pool = rag._boxes.pool()
    (worker,) = pool._idle
    rag.picture(hit)
    assert pool._idle == [worker]


class TestWhatCannotBeShown:
    def test_a_number_without_a_passage(self, rag):
        with pytest.raises(InvalidArgumentError, match=r"citation \[7\] names no passage"):
            rag.picture(Citation(7, None, None, None, ""))

    def test_a_text_without_pages(self, rag, path):
        path.with_name("notes.txt").write_text("Zebras boil no water.")
        rag.add(path.with_name("notes.txt"))
        with pytest.raises(UnsupportedFormatError, match=r"notes\.txt' has no pages to show: only PDF and image"):
            rag.picture(rag.retrieve("zebras")[0])

    def test_slides(self, rag, path):
        path.with_name("talk.pptx").write_bytes(make_pptx(["Zebras", "Stripes"]))
        rag.add(path.with_name("talk.pptx"))
        with pytest.raises(UnsupportedFormatError, match="only the pages of PDF and image files can be shown"):
            rag.picture(rag.retrieve("zebras")[0])

    def test_a_document_in_memory(self, rag):
        rag.add({"id": "memo", "text": "Zebras."})
        with pytest.raises(UnsupportedFormatError, match="'memo' was given in memory"):
            rag.picture(rag.retrieve("zebras")[0])

    @pytest.mark.parametrize("change", ["write", "unlink"])
    def test_a_file_that_changed_or_is_gone(self, rag, path, change):
        hit = rag.retrieve("boil water")[0]
        path.write_bytes(make_pdf([["x"]])) if change == "write" else path.unlink()
        with pytest.raises(ChangedDocumentError, match="has changed or gone since it was indexed: add it again"):
            rag.picture(hit)

    def test_a_file_that_is_out_of_the_index(self, rag, path):
        hit = rag.retrieve("boil water")[0]
        rag.remove(path)
        with pytest.raises(ChangedDocumentError, match="is not in the index any more"):
            rag.picture(hit)

    def test_no_index(self, tmp_path):
        node = Node("x", document_id("/a.pdf"), "/a.pdf", 1, "chunk", "x", 0, 1)
        with pytest.raises(IndexNotFoundError, match="no index at"):
            RAG(tmp_path / "none").picture(node)

"""Pages and frames as pictures that a process apart has drawn."""

import os

import bad_files
import pytest
from images import noise, saved
from lateral.errors import (
    ChangedDocumentError,
    CorruptDocumentError,
    EncryptedDocumentError,
    InvalidArgumentError,
    LateralError,
    LimitExceededError,
    UnsupportedFormatError,
)
from lateral.loaders.files import find_file
from lateral.loaders.load import render_page
from lateral.loaders.page_image import draw_frame, draw_page
from lateral.loaders.worker import ParserPool
from pdfs import make_pdf


@pytest.fixture
def file(write):
    return find_file(write(make_pdf([["Boil it."], ["Wait."]])))


class TestPool:
    def test_pictures_come_as_drawn_here(self, file):
        box = (72.0, 780.0, 100.0, 790.0)
        with ParserPool(1) as pool:
            assert pool.render(file, 2) == draw_page(file.path, file.path, page=2, dpi=150)
            marked = pool.render(file, 1, dpi=72.5, marks=[box])
        assert marked == draw_page(file.path, file.path, page=1, dpi=72.5, marks=[box])

    def test_frames_come_too(self, write):
        raw = saved(noise(), "tiff", dpi=(300, 300))
        path = write(raw, "a.tif")
        with ParserPool(1) as pool:
            assert pool.render(find_file(path), 1) == draw_frame(raw, path, "tiff", page=1, dpi=150)

    @pytest.mark.slow
    def test_the_largest_picture_passes_through(self, write):
        """Noise compresses badly: 45 MB cross the border of the process. The time that it takes is not in question."""
        raw = saved(noise((8_000, 5_000)).quantize(256), "bmp")
        with ParserPool(1, seconds_a_file=120) as pool:
            picture = pool.render(find_file(write(raw, "a.bmp")), 1)
        assert (picture.width, picture.height) == (8_000, 5_000)

    def test_a_page_that_is_not_there(self, file):
        with (
            ParserPool(1) as pool,
            pytest.raises(InvalidArgumentError, match=r"there are 2 pages in '.*a\.pdf', .* no page 3"),
        ):
            pool.render(file, 3)

    def test_a_resolution_that_is_none_starts_no_process(self, file):
        with ParserPool(1) as pool:
            with pytest.raises(InvalidArgumentError, match="dpi must be a number above 0"):
                pool.render(file, 1, dpi=0)
            assert pool._idle == []

    def test_a_text_has_no_pages_to_show(self, write):
        file = find_file(write(b"words", "a.txt"))
        with ParserPool(1) as pool, pytest.raises(UnsupportedFormatError, match="only the pages of PDF and image"):
            pool.render(file, 1)

    def test_errors_keep_their_class_and_source(self, write):
        file = find_file(write(bad_files.encrypted_pdf()))
        with ParserPool(1) as pool, pytest.raises(EncryptedDocumentError, match="needs a password") as caught:
            pool.render(file, 1)
        assert caught.value.source == file.path

    def test_a_vanished_file_is_told(self, file):
        os.remove(file.path)
        with ParserPool(1) as pool, pytest.raises(ChangedDocumentError, match="can't be opened: No such file"):
            pool.render(file, 1)

    def test_a_file_that_crashes_its_parser_is_named(self, file, pdfium):
        pdfium("import os; os.kill(os.getpid(), 11)")
        with ParserPool(1) as pool, pytest.raises(CorruptDocumentError, match=r"a\.pdf' crashed its parser"):
            pool.render(file, 1)

    def test_a_hang_ends_at_the_deadline(self, file, pdfium):
        pdfium("import time; time.sleep(60)")
        with (
            ParserPool(1, seconds_a_file=0.2) as pool,
            pytest.raises(LimitExceededError, match=r"took over 0\.2 s and 1 s a page"),
        ):
            pool.render(file, 1)

    @pytest.mark.slow
    def test_memory_is_bounded(self, write):
        file = find_file(write(bad_files.flate_bomb()))
        with ParserPool(1) as pool:
            with pytest.raises((CorruptDocumentError, LimitExceededError), match=r"1\.5 GB|took over"):
                pool.render(file, 2)
            assert pool.render(file, 1).page == 1

    def test_a_closed_pool_draws_nothing(self, file):
        pool = ParserPool(1)
        pool.close()
        with pytest.raises(LateralError, match="this parser pool is closed"):
            pool.render(file, 1)


class TestRenderPage:
    def test_a_page_without_a_pool(self, file):
        assert render_page(file, 2, dpi=72).page == 2

    def test_a_file_that_changed_after_it_was_found(self, file):
        with open(file.path, "ab") as stream:
            stream.write(b"%")
        with pytest.raises(ChangedDocumentError, match="changed after it was found"):
            render_page(file, 1)

    def test_a_file_that_vanished(self, file):
        os.remove(file.path)
        with pytest.raises(ChangedDocumentError, match="vanished after it was found"):
            render_page(file, 1)

import base64
import os
import subprocess
import sys

import pytest
from images import make_image
from lateral.errors import (
    ChangedDocumentError,
    CorruptDocumentError,
    EncryptedDocumentError,
    InvalidArgumentError,
    LimitExceededError,
)
from lateral.loaders import limits
from lateral.loaders.page_image import PageImage
from lateral.loaders.parsing import MAX_REASON_CHARS, document_of, page_image_of, parse
from office_files import make_docx, make_pptx, make_xlsx
from pdfs import make_pdf


class TestParse:
    @pytest.mark.parametrize(
        ("kind", "raw", "title"),
        [
            ("text", b"# Words", None),
            ("markdown", b"# Words", "Words"),
            ("html", b"<h1>Words</h1>", "Words"),
            ("pdf", make_pdf([["Words"]], title="Words"), "Words"),
            ("docx", make_docx("# Words"), "Words"),
            ("pptx", make_pptx(["Words"]), None),
            ("xlsx", make_xlsx(Words=[["Words"]]), None),
        ],
    )
    def test_every_format_is_read_as_it_is_asked(self, tmp_path, kind, raw, title):
        (tmp_path / "a").write_bytes(raw)
        document = parse(str(tmp_path / "a"), kind)
        assert document.source == str(tmp_path / "a")
        assert [section.text.strip("# ").partition("\n")[0] for section in document.sections] == ["Words"]
        assert document.metadata.get("title") == title

    @pytest.mark.parametrize("kind", ["text", "pdf"])
    def test_a_vanished_file_is_told(self, tmp_path, kind):
        with pytest.raises(ChangedDocumentError, match="can't be opened: No such file") as caught:
            parse(str(tmp_path / "a"), kind)
        assert caught.value.source == str(tmp_path / "a")

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "a")
        with pytest.raises(ChangedDocumentError, match="is no regular file any more"):
            parse(str(tmp_path / "a"), "text")

    def test_a_file_that_grew_too_large_is_refused(self, tmp_path):
        with (tmp_path / "a").open("wb") as stream:
            stream.truncate(limits.MAX_FILE_BYTES + 1)
        with pytest.raises(LimitExceededError, match="more than the limit of 50 MB"):
            parse(str(tmp_path / "a"), "text")


class TestAnswers:
    """What a taken-over parser may say."""

    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"error": "SystemExit", "reason": "", "page": None},
            {"error": "InvalidArgumentError", "reason": "", "page": None},
            {"sections": 3, "metadata": {}, "warnings": []},
            {"sections": [{"text": "x"}], "metadata": {}, "warnings": []},
            {"sections": [], "metadata": {"a": {"b": 1}}, "warnings": []},
        ],
    )
    def test_a_malformed_answer_makes_the_document_corrupt(self, answer):
        with pytest.raises(CorruptDocumentError, match="malformed answer"):
            document_of(answer, "/a.pdf")

    def test_an_error_is_raised_with_our_own_source(self):
        with pytest.raises(EncryptedDocumentError, match="locked") as caught:
            document_of({"error": "EncryptedDocumentError", "reason": "locked", "page": None}, "/a.pdf")
        assert caught.value.source == "/a.pdf"

    def test_a_reason_is_bounded(self):
        answer = {"error": "CorruptDocumentError", "reason": "x" * 9999, "page": 3}
        with pytest.raises(CorruptDocumentError, match=r"^x+$") as caught:
            document_of(answer, "/a.pdf")
        assert len(caught.value.reason) == MAX_REASON_CHARS
        assert caught.value.page == 3


class TestPictures:
    """What a taken-over parser may say of a page's picture."""

    GOOD = base64.b64encode(make_image("png")).decode()

    def test_a_picture_is_read(self):
        assert page_image_of({"png": self.GOOD, "dpi": 75}, "/a.pdf", 3) == PageImage(
            "/a.pdf", 3, 60, 40, 75.0, make_image("png")
        )

    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"png": GOOD},
            {"png": None, "dpi": 150},
            {"png": "no base64!", "dpi": 150},
            {"png": "ü", "dpi": 150},
            {"png": base64.b64encode(make_image("gif")).decode(), "dpi": 150},
            {"png": GOOD, "dpi": 0},
            {"png": GOOD, "dpi": float("nan")},
            {"png": GOOD, "dpi": "x"},
            {"png": GOOD, "dpi": 10**400},
        ],
    )
    def test_a_malformed_answer_makes_the_document_corrupt(self, answer):
        with pytest.raises(CorruptDocumentError, match="malformed answer"):
            page_image_of(answer, "/a.pdf", 1)

    def test_a_refusal_is_bounded(self):
        with pytest.raises(InvalidArgumentError, match=r"^x{500}$"):
            page_image_of({"refused": "x" * 9999}, "/a.pdf", 1)


def test_a_start_imports_only_what_parsing_needs():
    program = "import sys, lateral.loaders.parsing; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "torch", "pypdfium2", "selectolax", "markdown_it", "PIL"} & set(loaded)

import http.server
import threading
import time

import pytest
from bad_files import encrypted_office
from lateral.errors import CorruptDocumentError, EncryptedDocumentError, UnsupportedFormatError
from lateral.loaders.files import walk
from lateral.loaders.office import read_office
from lateral.loaders.worker import ParserPool
from office_files import make_docx, make_pptx, make_xlsx, replaced, rezipped

GOOD = {
    "docx": make_docx("Words."),
    "pptx": make_pptx(["Words."]),
    "xlsx": make_xlsx(Words=[["Words."]]),
}
RELATIONS = {
    "docx": "word/_rels/document.xml.rels",
    "pptx": "ppt/slides/_rels/slide1.xml.rels",
    "xlsx": "xl/_rels/workbook.xml.rels",
}
KINDS = ("image", "attachedTemplate", "hyperlink", "oleObject", "externalLink", "subDocument", "slide", "worksheet")
BASE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"


@pytest.fixture
def server():
    """A server that notes what it is asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}", asked
        serving.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", GOOD)
def test_what_stands_elsewhere_is_never_fetched(kind, server, tmp_path):
    address, asked = server
    elsewhere = "".join(
        f'<Relationship Id="x{it}" Type="{BASE}{it}" Target="{address}/{it}" TargetMode="External"/>' for it in KINDS
    )
    raw = replaced(GOOD[kind], RELATIONS[kind], b"</Relationships>", elsewhere.encode() + b"</Relationships>")
    if kind == "docx":
        picture = (
            f'<w:r><w:pict><v:imagedata xmlns:v="urn:schemas-microsoft-com:vml" src="{address}/a.png"/></w:pict></w:r>'
        )
        raw = replaced(raw, "word/document.xml", b"<w:r>", picture.encode() + b"<w:r>")
    (tmp_path / f"a.{kind}").write_bytes(raw)
    with ParserPool(1) as pool:
        (found,) = walk(tmp_path)
        assert "Words." in pool.parse(found).sections[0].text
    time.sleep(0.1)  # a request that is under way comes in
    assert asked == []


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("other", GOOD)
def test_an_archive_of_another_kind_is_told(kind, other):
    if kind == other:
        assert "Words." in read_office(GOOD[kind], "/a", kind).sections[0].text
        return
    with pytest.raises(CorruptDocumentError, match="a ZIP archive without the parts of a"):
        read_office(GOOD[other], "/a", kind)


@pytest.mark.parametrize("kind", GOOD)
def test_an_encrypted_file_is_told(kind):
    with pytest.raises(EncryptedDocumentError, match="needs a password"):
        read_office(encrypted_office(), "/a", kind)


def test_strict_open_xml_is_told_with_advice():
    def change(name, content):
        return content.replace(
            b"http://schemas.openxmlformats.org/officeDocument/2006", b"http://purl.oclc.org/ooxml/officeDocument"
        )

    with pytest.raises(UnsupportedFormatError, match=r'"Strict Open XML" kind: save it as the ordinary \.docx'):
        read_office(rezipped(GOOD["docx"], change), "/a", "docx")


@pytest.mark.parametrize(
    ("kind", "library"), [("docx", "docx"), ("pptx", "pptx"), ("xlsx", "openpyxl"), ("xlsx", "defusedxml")]
)
def test_without_the_extra_the_file_fails_with_the_pip_line(kind, library, tmp_path, monkeypatch):
    folder = tmp_path / "libraries" / library
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('not installed')")
    monkeypatch.syspath_prepend(folder.parent)
    (tmp_path / f"a.{kind}").write_bytes(GOOD[kind])
    (found,) = walk(tmp_path / f"a.{kind}")
    with (
        ParserPool(1) as pool,
        pytest.raises(
            UnsupportedFormatError, match=rf"{library} is needed here: pip install 'lateral\[office\]'"
        ) as caught,
    ):
        pool.parse(found)
    assert caught.value.source == str(tmp_path / f"a.{kind}")

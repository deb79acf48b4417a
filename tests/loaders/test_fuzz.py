"""Good files, mutated: an error of the DocumentError tree or a document, never a crash, never a hang."""

import io
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from images import KINDS, make_image
from lateral.errors import DocumentError, InvalidArgumentError
from lateral.loaders import Chunker, default_count_tokens, to_nodes
from lateral.loaders.document import Document
from lateral.loaders.files import SourceFile
from lateral.loaders.page_image import png_size
from lateral.loaders.sniff import sniff
from lateral.loaders.worker import ParserPool
from lateral.loaders.zip_directory import member_names
from lxml import etree
from office_files import make_docx, make_pptx, make_xlsx, rezipped
from pdfs import make_pdf

SECONDS = 15  # a file of some kB takes milliseconds; a machine may be busy
HTML = (
    b"<!DOCTYPE html><html><head><meta charset=utf-8><title>Tea</title></head><body><nav>Menu</nav><main><h1>Tea</h1>"
    b"<p>Green &amp; black.<ul><li>one<li>two</ul><table><tr><td>a<td>b</table><pre>  x\n</pre></main></body></html>"
)
MARKDOWN = (
    "---\ntitle: Tee\n---\n\n# Grün\n\nSetext\n======\n\n* a\n* b\n\n```\n# code\n```\n\n| a | b |\n|---|---|\n"
).encode()
TEXT = "Grüner Tee wird mit 80 Grad gebrüht. Schwarzer mit 100.\r\n\r\nUnd Kaffee?".encode()
GOOD = {
    "pdf": make_pdf([["Green tea is brewed hot.", "Black tea hotter."], ["Coffee."], None], title="Tea"),
    "html": HTML,
    "markdown": MARKDOWN,
    "text": TEXT,
    "docx": make_docx("# Tea", "Green tea is brewed hot.", "# Coffee", "Ground."),
    "pptx": make_pptx(["Tea", "Green", "Black"]),
    **{kind: make_image(kind, frames=1 if kind in ("jpeg", "bmp") else 2) for kind in KINDS},
    "xlsx": make_xlsx(Tea=[["Kind", "Degrees"], ["green", 80], ["sum", "=1+2"]]),
}
ODD_VALUES = ("", "-1", "0", "99999999999", "1e400", "ü", "rId1", "/", "../x.xml", "true")

fuzzed = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def pool():
    with ParserPool(1, seconds_a_file=SECONDS) as made:
        yield made


@st.composite
def mutations(draw, good):
    """Bytes that were good until some were flipped, cut off, taken out, doubled, or put in from elsewhere."""
    raw = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(raw) - 1)))
        end = min(len(raw), start + draw(st.integers(1, 64)))
        kind = draw(st.sampled_from(("flip", "overwrite", "cut", "drop", "double", "splice")))
        if kind == "flip" and raw:
            raw[start] ^= 1 << draw(st.integers(0, 7))
        elif kind == "overwrite":
            raw[start:end] = draw(st.binary(min_size=1, max_size=16))
        elif kind == "cut":
            del raw[start:]
        elif kind == "drop":
            del raw[start:end]
        elif kind == "double":
            raw[start:start] = raw[start:end] * draw(st.integers(1, 50))
        else:
            other = GOOD[draw(st.sampled_from(sorted(GOOD)))]
            begin = draw(st.integers(0, len(other) - 1))
            raw[start:end] = other[begin : begin + draw(st.integers(1, 400))]
    return bytes(raw)


@st.composite
def trees(draw, good):
    """An XML part that is still well-formed, with elements dropped, doubled, moved and renamed, and odd values."""
    root = etree.fromstring(good)
    for _ in range(draw(st.integers(1, 5))):
        elements = list(root.iter("*"))
        element = elements[draw(st.integers(0, len(elements) - 1))]
        other = elements[draw(st.integers(0, len(elements) - 1))]
        kind = draw(st.sampled_from(("drop", "double", "move", "rename", "value", "text")))
        parent = element.getparent()
        if kind == "drop" and parent is not None:
            parent.remove(element)
        elif kind == "double" and parent is not None:
            parent.insert(0, etree.fromstring(etree.tostring(element)))
        elif kind == "move" and parent is not None and element not in other.iterancestors() and element is not other:
            other.append(element)
        elif kind == "rename":
            element.tag = other.tag
        elif kind == "value" and element.attrib:
            element.set(draw(st.sampled_from(sorted(element.attrib))), draw(st.sampled_from(ODD_VALUES)))
        else:
            element.text = draw(st.sampled_from(ODD_VALUES))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


@st.composite
def archives(draw, good):
    """An Office file with one or two of its parts mutated inside, as bytes or as trees."""
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        names = [name for name in archive.namelist() if name.endswith((".xml", ".rels"))]
        picked = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
        changed = {}
        for name in picked:
            content = archive.read(name)
            changed[name] = draw(mutations(content) if draw(st.integers(0, 4)) == 0 else trees(content))
    return rezipped(good, lambda name, content: changed.get(name, content))


def outcome_of_reading(pool, tmp_path, kind, raw):
    """Reads the file where all files of its kind are read."""
    path = tmp_path / "fuzzed"
    path.write_bytes(raw)
    return outcome_of(pool.parse, SourceFile(str(path), kind, len(raw), 0, 0))


def assert_nodes_or_error(outcome, path):
    """What was read can be cut, and what was not read is told of the file."""
    if isinstance(outcome, DocumentError):
        assert_error_is_of_the_file(outcome, path)
        return
    for node in to_nodes(outcome, Chunker(default_count_tokens)):
        assert len(node.text.encode("utf-8")) >= node.end_char - node.start_char == len(node.text)


def assert_error_is_of_the_file(err, path):
    assert err.source == str(path)
    assert err.reason
    assert "crashed its parser" not in err.reason
    assert "took over" not in err.reason


def outcome_of(read, *arguments):
    try:
        return read(*arguments)
    except (DocumentError, InvalidArgumentError) as err:
        return err


@pytest.mark.slow
@pytest.mark.parametrize("kind", GOOD)
def test_mutated_bytes(pool, tmp_path, kind):
    @settings(fuzzed, max_examples=200)
    @given(mutations(GOOD[kind]))
    def run(raw):
        assert_nodes_or_error(outcome_of_reading(pool, tmp_path, kind, raw), tmp_path / "fuzzed")

    assert isinstance(outcome_of_reading(pool, tmp_path, kind, GOOD[kind]), Document), "unharmed, it is read"

    run()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx"])
def test_mutated_parts_of_a_sound_archive(pool, tmp_path, kind):
    read = []

    @settings(fuzzed, max_examples=200)
    @given(archives(GOOD[kind]))
    def run(raw):
        outcome = outcome_of_reading(pool, tmp_path, kind, raw)
        assert_nodes_or_error(outcome, tmp_path / "fuzzed")
        read.append(isinstance(outcome, Document))

    run()
    assert True in read, "mutations that were all refused would have tried no parser"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pdf", *KINDS])
def test_pictures_of_mutated_bytes(pool, tmp_path, kind):
    path = tmp_path / "fuzzed"

    @settings(fuzzed, max_examples=100)
    @given(mutations(GOOD[kind]))
    def run(raw):
        path.write_bytes(raw)
        outcome = outcome_of(pool.render, SourceFile(str(path), kind, len(raw), 0, 0), 1)
        if isinstance(outcome, DocumentError):
            assert_error_is_of_the_file(outcome, path)
        elif isinstance(outcome, InvalidArgumentError):
            assert "no page 1" in str(outcome)
        else:
            assert png_size(outcome.png) == (outcome.width, outcome.height)

    run()


@settings(fuzzed, max_examples=300)
@given(st.sampled_from(sorted(GOOD)).flatmap(lambda kind: mutations(GOOD[kind])))
def test_every_file_is_of_some_format_or_none(raw):
    names = member_names(io.BytesIO(raw))
    for suffix in ("", ".docx", ".txt", ".pdf"):
        assert sniff(raw[:8192], suffix, parts=names) in {*GOOD, None}

import os

import bad_files
import pytest
from command_line import as_json, run
from images import make_image, opened
from pdfs import make_pdf


@pytest.fixture
def home(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "kettle.pdf").write_bytes(
        make_pdf([["The kettle holds two litres."], ["Descale it monthly."]])
    )
    return tmp_path


def is_yellow(picture, *, x, y):
    """Says whether a point of an A4 page is marked on its picture at 150 dpi."""
    red, green, blue = opened(picture).convert("RGB").getpixel((round(x * 150 / 72), round((842 - y) * 150 / 72)))
    return red > 200 and green > 200 and blue < 200


def test_a_page_is_written_beside_the_prompt_without_an_index(home):
    shown = run(home, "show", "docs/kettle.pdf", "--page", "2")
    assert (shown.returncode, shown.stdout) == (0, "kettle-page-2.png: 1241 x 1754 pixels\n")
    assert opened((home / "kettle-page-2.png").read_bytes()).size == (1241, 1754)
    assert sorted(os.listdir(home)) == ["docs", "kettle-page-2.png"]


def test_a_quote_is_marked(home):
    shown = as_json(home, "show", "docs/kettle.pdf", "--quote", "holds two", "--out", "a.png")
    assert {key: shown[key] for key in ("source", "page", "width", "height", "dpi", "file")} == {
        "source": str(home / "docs/kettle.pdf"),
        "page": 1,
        "width": 1241,
        "height": 1754,
        "dpi": 150,
        "file": str(home / "a.png"),
    }
    ((left, bottom, _, _),) = shown["boxes"]
    raw = (home / "a.png").read_bytes()
    assert is_yellow(raw, x=left - 1, y=bottom - 1)
    assert not is_yellow(raw, x=left - 4, y=bottom - 1)


def test_a_file_that_is_there_is_written_over_only_when_forced(home):
    (home / "a.png").write_text("mine")
    arguments = ("show", "docs/kettle.pdf", "--out", "a.png")
    refused = run(home, *arguments)
    assert refused.returncode == 2
    assert "'a.png' is there already: name another file with --out, or add --force" in refused.stderr
    assert (home / "a.png").read_text() == "mine"
    assert run(home, *arguments, "--force").returncode == 0
    assert opened((home / "a.png").read_bytes()).format == "PNG"


def test_images_are_shown_frame_by_frame_scaled_down(home):
    (home / "scan.tif").write_bytes(make_image("tiff", size=(600, 400), frames=2, dpi=(300, 300)))
    assert run(home, "show", "scan.tif", "--page", "2", "--dpi", "30").stdout == "scan-page-2.png: 60 x 40 pixels\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("docs/kettle.pdf", "--page", "3"), 2, "counted from 1, and no page 3"),
        (("docs/kettle.pdf", "--page", "0"), 2, "no page 0"),
        (("docs/kettle.pdf", "--quote", "boiling oil"), 2, "has no text 'boiling oil'"),
        (("photo.png", "--quote", "tea"), 2, "has no text 'tea'"),
        (("docs/kettle.pdf", "--dpi", "0"), 2, "dpi must be a number above 0"),
        (("docs/kettle.pdf", "--dpi", "9999"), 1, "ask for at most 643 dpi"),
        (("docs/kettle.pdf", "--out", "a.jpg"), 2, "--out writes a PNG picture: name it *.png, got 'a.jpg'"),
        (("docs/kettle.pdf", "--out", "nowhere/a.png"), 2, "can't be written: name a file in a folder that is there"),
        (("docs",), 2, "is a folder: name a file in it"),
        (("nowhere.pdf",), 2, "there is no file or folder"),
        (("notes.txt",), 1, "only the pages of PDF and image files can be shown"),
        (("locked.pdf",), 1, "needs a password"),
        (("drawing.svg",), 1, "an SVG image: lateral reads"),
    ],
)
def test_what_cannot_be_shown_is_said_and_nothing_is_written(home, arguments, code, message):
    (home / "photo.png").write_bytes(make_image("png"))
    (home / "notes.txt").write_text("words")
    (home / "drawing.svg").write_text("<svg></svg>")
    (home / "locked.pdf").write_bytes(bad_files.encrypted_pdf())
    before = sorted(os.listdir(home))
    shown = run(home, "show", *arguments)
    assert (shown.returncode, shown.stdout) == (code, "")
    assert message in " ".join(shown.stderr.split())
    assert sorted(os.listdir(home)) == before
    assert message in as_json(home, "show", *arguments, code=code)["error"]["message"]

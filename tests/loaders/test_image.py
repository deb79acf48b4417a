import io
import warnings
import zlib

import images
import pytest
from images import KINDS, make_image, noise, png_of_parts, saved, tiff_chain, tiff_of_tags
from lateral.errors import (
    CorruptDocumentError,
    EmptyDocumentError,
    InvalidArgumentError,
    LimitExceededError,
)
from lateral.loaders import Chunker, default_count_tokens, limits, load, to_nodes, walk
from lateral.loaders.files import find_file
from lateral.loaders.image import read_frame, read_image
from lateral.loaders.load import read
from lateral.loaders.worker import ParserPool
from PIL import Image

FRAMED = ("png", "webp", "gif", "tiff")
TURNED = ("png", "jpeg", "webp", "tiff")  # what can say how the camera was held
WHITE, RED, GREEN = (255, 255, 255), (255, 0, 0), (0, 128, 0)


class TestDocuments:
    @pytest.mark.parametrize("kind", KINDS)
    def test_an_image_is_a_page_without_text(self, kind):
        document = read_image(make_image(kind), "/a", kind)
        assert [(part.text, part.page, dict(part.metadata)) for part in document.sections] == [
            ("", 1, {"width": 60, "height": 40})
        ]
        assert document.metadata == {"page_count": 1}
        assert document.warnings == ("page 1 has no text layer: run OCR on it first",)
        (node,) = to_nodes(document, Chunker(default_count_tokens))
        assert (node.kind, node.page, node.text) == ("page", 1, "")

    @pytest.mark.parametrize("kind", FRAMED)
    def test_each_frame_is_a_page(self, kind):
        seen = []
        document = read_image(make_image(kind, frames=3), "/a", kind, on_pages=seen.append)
        assert [part.page for part in document.sections] == [1, 2, 3]
        assert document.warnings == ("pages 1-3 have no text layer: run OCR on them first",)
        assert seen == [3]

    def test_frames_of_a_tiff_have_sizes_of_their_own(self):
        raw = saved(Image.new("1", (30, 20)), "tiff", save_all=True, append_images=[Image.new("L", (5, 7))])
        sizes = [dict(part.metadata) for part in read_image(raw, "/a", "tiff").sections]
        assert sizes == [{"width": 30, "height": 20}, {"width": 5, "height": 7}]

    def test_the_preview_in_a_cameras_jpeg_is_no_page(self):
        raw = saved(Image.new("RGB", (60, 40)), "mpo", save_all=True, append_images=[Image.new("RGB", (6, 4))])
        assert Image.open(io.BytesIO(raw)).n_frames == 2
        assert read_image(raw, "/a", "jpeg").metadata["page_count"] == 1

    @pytest.mark.parametrize("kind", TURNED)
    @pytest.mark.parametrize(("orientation", "size"), [(1, (60, 40)), (3, (60, 40)), (6, (40, 60)), (8, (40, 60))])
    def test_width_and_height_are_those_of_the_image_as_it_is_seen(self, kind, orientation, size):
        raw = make_image(kind, orientation=orientation)
        metadata = read_image(raw, "/a", kind).sections[0].metadata
        assert (metadata["width"], metadata["height"]) == size

    def test_the_place_of_a_photo_is_left_out_and_its_author_is_not(self):
        exif = Image.Exif()
        exif[images.ARTIST] = "Ann"
        exif.get_ifd(images.GPS).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
        raw = make_image("jpeg", exif=exif)
        assert b"\x88\x25" in raw or b"\x25\x88" in raw  # the tag of the place
        document = read_image(raw, "/a", "jpeg")
        assert document.metadata == {"page_count": 1, "author": "Ann"}
        assert set(document.sections[0].metadata) == {"width", "height"}

    def test_a_png_says_its_title_and_author(self):
        more = ((b"tEXt", b"Title\0Wells"), (b"tEXt", b"Author\0Bo"), (b"tEXt", b"Comment\0no"))
        raw = png_of_parts(2, 1, zlib.compress(b"\0\0\0"), more=more)
        assert read_image(raw, "/a", "png").metadata == {"page_count": 1, "title": "Wells", "author": "Bo"}

    def test_broken_notes_of_a_camera_are_no_reason_to_refuse_its_picture(self):
        raw = make_image("jpeg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
        assert read_image(raw, "/a", "jpeg").sections[0].metadata == {"width": 60, "height": 40}

    def test_pillow_is_left_as_it_was(self):
        before, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
        read_image(make_image("png"), "/a", "png")
        with pytest.raises(CorruptDocumentError, match="damaged"):
            read_image(b"", "/a", "png")
        assert (Image.MAX_IMAGE_PIXELS, warnings.filters) == (before, filters)


class TestDamage:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
    def test_an_image_that_is_cut_off(self, kind, share):
        raw = saved(noise(), kind)
        with pytest.raises(CorruptDocumentError, match=f"the {kind.upper()} image can't be read") as caught:
            read_image(raw[: int(len(raw) * share)], "/a", kind)
        assert caught.value.source == "/a"
        assert "open it in a viewer and save it again" in caught.value.reason

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("raw", [b"", b"no image", b"\0" * 500])
    def test_what_is_no_image(self, kind, raw):
        with pytest.raises(CorruptDocumentError, match="damaged or cut off"):
            read_image(raw, "/a", kind)

    @pytest.mark.parametrize("kind", KINDS)
    def test_an_image_of_another_format(self, kind):
        with pytest.raises(CorruptDocumentError, match=f"the {kind.upper()} image can't be read"):
            read_image(make_image("png" if kind != "png" else "gif"), "/a", kind)

    def test_a_frame_that_is_missing(self):
        raw = make_image("png", frames=3)
        at = raw.index(b"acTL") + 4
        content = (9).to_bytes(4, "big") + raw[at + 4 : at + 8]
        lying = raw[:at] + content + zlib.crc32(b"acTL" + content).to_bytes(4, "big") + raw[at + 12 :]
        with pytest.raises(CorruptDocumentError, match="damaged or cut off"):
            read_image(lying, "/a", "png")

    def test_a_tiff_whose_pixels_lie_elsewhere(self):
        tags = ((256, 100), (257, 100), (258, 8), (259, 1), (262, 1), (273, 4_000_000_000), (278, 100), (279, 10_000))
        with pytest.raises(CorruptDocumentError, match="the TIFF image can't be read"):
            read_image(tiff_of_tags(*tags), "/a", "tiff")

    def test_a_tiff_whose_chain_of_frames_is_a_ring_ends(self):
        raw = bytearray(tiff_chain(2))
        raw[-4:] = (9).to_bytes(4, "little")  # behind the second comes the first
        assert read_image(bytes(raw), "/a", "tiff").metadata["page_count"] == 2


class TestLimits:
    @pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (40_000_001, 1), (2**31 - 1, 2**31 - 1)])
    def test_a_png_with_too_many_pixels_is_refused_by_its_header(self, width, height):
        raw = png_of_parts(width, height, zlib.compress(b"\0" * 1000))
        with pytest.raises(LimitExceededError, match=f"has {width:,} x {height:,} pixels, more than .* 40 megapixels"):
            read_image(raw, "/a", "png")

    def test_as_many_pixels_as_the_limit_are_read(self):
        rows = zlib.compress(bytes(8_001) * 5_000)
        assert len(read_image(png_of_parts(8_000, 5_000, rows), "/a", "png").sections) == 1

    @pytest.mark.parametrize("kind", ["jpeg", "bmp", "gif", "tiff"])
    def test_other_formats_are_refused_by_their_headers_too(self, kind):
        width, height = (8_000).to_bytes(2, "little"), (5_001).to_bytes(2, "little")
        small = make_image(kind, size=(600, 400))
        pairs = {
            "jpeg": ((400).to_bytes(2, "big") + (600).to_bytes(2, "big"), height[::-1] + width[::-1]),
            "bmp": ((600).to_bytes(4, "little") + (400).to_bytes(4, "little"), width + b"\0\0" + height + b"\0\0"),
            "gif": ((600).to_bytes(2, "little") + (400).to_bytes(2, "little"), width + height),
        }
        if kind == "tiff":
            raw = tiff_of_tags((256, 8_000), (257, 5_001), (258, 8), (259, 1), (262, 1), (273, 8), (279, 9))
        else:
            raw = small.replace(*pairs[kind], 1)
            assert raw != small
        with pytest.raises(LimitExceededError, match="8,000 x 5,001 pixels, more than the limit of 40 megapixels"):
            read_image(raw, "/a", kind)

    def test_a_webp_is_refused_before_its_canvas_is_made(self):
        raw = bytearray(make_image("webp", frames=2))
        assert raw[12:16] == b"VP8X"
        raw[24:30] = (16_382).to_bytes(3, "little") * 2
        with pytest.raises(LimitExceededError, match="40 megapixels"):
            read_image(bytes(raw), "/a", "webp")

    def test_a_gif_that_grows_behind_its_header_is_refused(self):
        raw = make_image("gif", frames=2)
        at = raw.rindex(b"\x2c")  # where the second frame says its place and size
        grown = raw[: at + 5] + b"\x40\x9c\x40\x9c" + raw[at + 9 :]
        with pytest.raises(LimitExceededError, match="40 megapixels"):
            read_image(grown, "/a", "gif")

    def test_as_many_frames_as_the_limit_are_read_and_one_more_is_not(self):
        assert len(read_image(tiff_chain(limits.MAX_PAGES), "/a", "tiff").sections) == limits.MAX_PAGES
        with pytest.raises(LimitExceededError, match=r"more frames than the limit of 2,000: split it"):
            read_image(tiff_chain(limits.MAX_PAGES + 1), "/a", "tiff")

    def test_frames_that_a_header_only_claims_count_too(self):
        more = ((b"acTL", (1_000_000).to_bytes(4, "big") + bytes(4)),)
        with pytest.raises(LimitExceededError, match="more frames than the limit"):
            read_image(png_of_parts(2, 1, zlib.compress(b"\0\0\0"), more=more), "/a", "png")

    def test_a_chain_of_a_hundred_thousand_frames_takes_no_time(self, tmp_path):
        (tmp_path / "a.tif").write_bytes(tiff_chain(100_000))
        with ParserPool(1, seconds_a_file=5) as pool, pytest.raises(LimitExceededError, match="more frames"):
            pool.parse(find_file(tmp_path / "a.tif"))


class TestFiles:
    def test_images_of_a_folder_are_read_in_a_parsing_process(self, tmp_path):
        for kind in KINDS:
            (tmp_path / f"a.{kind}").write_bytes(make_image(kind))
        nodes = {node.metadata["file_type"]: node for node in load(tmp_path)}
        assert set(nodes) == set(KINDS)
        for kind, node in nodes.items():
            assert (node.kind, node.page, node.text) == ("page", 1, "")
            assert {"width": 60, "height": 40, "file_name": f"a.{kind}"}.items() <= node.metadata.items()

    def test_a_wrong_suffix_does_not_matter(self, tmp_path):
        (tmp_path / "a.pdf").write_bytes(make_image("webp"))
        (tmp_path / "b.txt").write_bytes(make_image("tiff"))
        assert [file.format for file in walk(tmp_path)] == ["webp", "tiff"]

    def test_an_empty_file_says_so(self, tmp_path):
        (tmp_path / "a.png").touch()
        with pytest.raises(EmptyDocumentError, match="0 bytes"):
            find_file(tmp_path / "a.png")

    @pytest.mark.parametrize("raw", [b"version https://git-lfs.github.com/spec/v1\n", b"<svg></svg>", bytes(99)])
    def test_what_only_has_the_name_of_an_image_is_corrupt(self, tmp_path, raw):
        (tmp_path / "a.jpg").write_bytes(raw)
        with pytest.raises(CorruptDocumentError, match="the JPEG image can't be read"):
            read(find_file(tmp_path / "a.jpg"))

    def test_memory_is_bounded(self, tmp_path):
        side = 30_000  # one tile of this many pixels a side takes 2.7 GB, whatever part of it the image shows
        tags = ((256, 100), (257, 100), (258, 8), (259, 5), (262, 2), (277, 3), (322, side), (323, side))
        raw = tiff_of_tags(*tags, (284, 1), (324, 8), (325, 100))
        (tmp_path / "a.tif").write_bytes(raw)
        with ParserPool(1) as pool, pytest.raises((LimitExceededError, CorruptDocumentError), match=r": "):
            pool.parse(find_file(tmp_path / "a.tif"))


class TestFrames:
    """Frames as pictures."""

    def frame(self, raw, kind, *, page=1, dpi=150):
        return read_frame(raw, "/a", kind, page=page, dpi=dpi)

    def test_a_frame_is_taken_by_its_number(self):
        raw = saved(
            Image.new("RGB", (9, 9), RED), "tiff", save_all=True, append_images=[Image.new("RGB", (9, 9), GREEN)]
        )
        assert self.frame(raw, "tiff", page=2)[0].getpixel((4, 4)) == GREEN
        assert self.frame(raw, "tiff", page=1)[0].getpixel((4, 4)) == RED

    @pytest.mark.parametrize("page", [0, -1, 4])
    def test_a_frame_that_is_not_there(self, page):
        with pytest.raises(
            InvalidArgumentError, match=f"there are 3 pages in '/a', counted from 1, and no page {page}"
        ):
            self.frame(make_image("gif", frames=3), "gif", page=page)

    @pytest.mark.parametrize("kind", TURNED)
    @pytest.mark.parametrize(
        ("orientation", "size", "corner"),
        [
            (1, (60, 40), (0, 0)),
            (2, (60, 40), (59, 0)),
            (3, (60, 40), (59, 39)),
            (4, (60, 40), (0, 39)),
            (5, (40, 60), (0, 0)),
            (6, (40, 60), (39, 0)),
            (7, (40, 60), (39, 59)),
            (8, (40, 60), (0, 59)),
        ],
    )
    def test_the_first_corner_goes_where_the_camera_says(self, kind, orientation, size, corner):
        picture = Image.new("RGB", (60, 40), RED)
        picture.paste(GREEN, (0, 0, 16, 16))
        exif = Image.Exif()
        exif[images.ORIENTATION] = orientation
        exact = {"quality": 100} | ({"lossless": True} if kind == "webp" else {})
        seen, _ = self.frame(saved(picture, kind, exif=exif, **({} if kind in ("png", "tiff") else exact)), kind)
        assert seen.size == size
        assert all(abs(one - other) < 20 for one, other in zip(seen.getpixel(corner), GREEN, strict=True))

    @pytest.mark.parametrize(
        ("mode", "colour", "seen"),
        [
            ("1", 1, 255),
            ("L", 77, 77),
            ("I;16", 0, 0),
            ("I;16", 65_535, 255),
            ("I;16", 32_768, 127),
            ("RGB", GREEN, GREEN),
            ("RGBA", (255, 0, 0, 0), WHITE),
            ("RGBA", (255, 0, 0, 255), RED),
            ("RGBA", (0, 0, 0, 128), (127, 127, 127)),
            ("LA", (0, 0), WHITE),
        ],
    )
    def test_every_mode_becomes_grey_or_colour_on_white(self, mode, colour, seen):
        picture, _ = self.frame(saved(Image.new(mode, (8, 8), colour), "png"), "png")
        assert picture.mode in ("L", "RGB")
        assert picture.getpixel((3, 3)) == seen

    @pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "F", "I"])
    def test_what_only_tiff_has_becomes_grey_or_colour_too(self, mode):
        picture, _ = self.frame(saved(Image.new(mode, (8, 8)), "tiff"), "tiff")
        assert picture.mode in ("L", "RGB")

    def test_numbers_without_a_range_are_stretched_from_dark_to_light(self):
        picture = Image.new("F", (3, 1))
        for at, value in enumerate((-1000.0, 0.0, 1000.0)):
            picture.putpixel((at, 0), value)
        seen, _ = self.frame(saved(picture, "tiff"), "tiff")
        assert [seen.getpixel((at, 0)) for at in range(3)] == [0, 127, 255]

    def test_a_palette_with_a_transparent_colour_lies_on_white(self):
        raw = saved(Image.new("P", (8, 8), 1), "gif", transparency=1)
        assert self.frame(raw, "gif")[0].getpixel((3, 3)) == WHITE

    @pytest.mark.parametrize(
        ("stated", "dpi", "size", "made_at"),
        [
            ((300, 300), 150, (300, 200), 150),
            ((300, 300), 600, (600, 400), 300),
            ((72, 72), 150, (600, 400), 72),
            (None, 150, (600, 400), 150),
            (None, 75, (300, 200), 75),
            ((4800, 4800), 150, (600, 400), 150),
            ((200, 100), 150, (300, 400), 100),
            (None, 0.001, (1, 1), 0.001),
        ],
    )
    def test_an_image_is_scaled_down_to_the_resolution_and_never_up(self, stated, dpi, size, made_at):
        raw = make_image("tiff", size=(600, 400), **({} if stated is None else {"dpi": stated}))
        seen, sparser = self.frame(raw, "tiff", dpi=dpi)
        assert seen.size == size
        assert sparser == pytest.approx(made_at, abs=0.01)

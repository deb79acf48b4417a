"""Image files, made on the spot."""

import io
import struct
import zlib

from PIL import Image

KINDS = ("png", "jpeg", "webp", "gif", "tiff", "bmp")
ORIENTATION, ARTIST, GPS = 0x0112, 0x013B, 0x8825


def make_image(kind, *, size=(60, 40), colour="red", frames=1, orientation=None, **save):
    """An image of one colour; a further frame has a pixel of another, so that none is dropped as a double."""
    pictures = [Image.new("RGB", size, colour) for _ in range(frames)]
    for at, picture in enumerate(pictures[1:], 1):
        picture.putpixel((at % size[0], at // size[0]), (0, 0, 255))
    if frames > 1:
        save |= {"save_all": True, "append_images": pictures[1:]}
    if orientation is not None:
        save["exif"] = Image.Exif()
        save["exif"][ORIENTATION] = orientation
    return saved(pictures[0], kind, **save)


def saved(picture, kind, **save):
    buffer = io.BytesIO()
    picture.save(buffer, kind.upper(), **save)
    return buffer.getvalue()


def opened(raw):
    """The picture, decoded."""
    picture = Image.open(io.BytesIO(raw))
    picture.load()
    return picture


def noise(size=(200, 200)):
    """A picture that does not compress."""
    return Image.effect_noise(size, 200).convert("RGB")


def png_of_parts(width, height, pixels, *, more=()):
    """A PNG whose header says this size, whatever its deflated pixels are, with more chunks: (name, content)."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), *more, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def tiff_of_tags(*tags, pixels=b""):
    """A TIFF whose one frame has the tags (number, value), each a 32-bit number, with the pixels behind them."""
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    entries = b"".join(struct.pack("<HHII", number, 4, 1, value) for number, value in sorted(tags))
    return head + entries + struct.pack("<I", 0) + pixels


def tiff_chain(links):
    """A TIFF of so many frames of one pixel, which share it."""
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 278: 1, 279: 1}
    size = 2 + 12 * len(tags) + 4
    frames = []
    for at in range(links):
        entries = b"".join(struct.pack("<HHII", number, 4, 1, value) for number, value in tags.items())
        following = 0 if at == links - 1 else 9 + (at + 1) * size
        frames.append(struct.pack("<H", len(tags)) + entries + struct.pack("<I", following))
    return struct.pack("<2sHI", b"II", 42, 9) + b"\x80" + b"".join(frames)


def _chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

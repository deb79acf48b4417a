"""Good Office files, and archives changed by hand."""

import io
import zipfile
import zlib

import docx
import openpyxl
import pptx


def saved(made):
    """The bytes of a document, presentation or workbook."""
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def make_docx(*paragraphs, title=""):
    """A Word document; a paragraph that begins with "# " is a heading."""
    made = docx.Document()
    made.core_properties.title = title
    for text in paragraphs:
        if text.startswith("# "):
            made.add_heading(text[2:], 1)
        else:
            made.add_paragraph(text)
    return saved(made)


def make_pptx(*slides):
    """A presentation; a slide is its title and the lines of its body."""
    made = pptx.Presentation()
    for title, *lines in slides:
        slide = made.slides.add_slide(made.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = "\n".join(lines)
    return saved(made)


def make_xlsx(**sheets):
    """A workbook of sheets by name, each a list of rows."""
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return saved(made)


def rezipped(raw, change=None, *, add=(), drop=()):
    """The archive with each part through `change(name, content)`, and with parts added and dropped."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(raw)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            if info.filename not in drop:
                content = old.read(info)
                new.writestr(info.filename, change(info.filename, content) if change else content)
        for name, content in add:
            new.writestr(name, content)
    return buffer.getvalue()


def replaced(raw, name, old, new):
    """The archive with one text replaced by another in one part."""

    def change(part, content):
        if part != name:
            return content
        assert old in content, content
        return content.replace(old, new, 1)

    return rezipped(raw, change)


def with_lying_header(raw, name, said):
    """The archive with another inflated size in both headers of a part, and the checksum that would go with it."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        info = archive.getinfo(name)
        checksum = zlib.crc32(archive.read(name)[:said])
    changed = bytearray(raw)
    place = {info.header_offset: (14, 22)}
    central = raw.find(b"PK\x01\x02")
    while central >= 0:
        if raw[central + 46 :].startswith(name.encode()):
            place[central] = (16, 24)
        central = raw.find(b"PK\x01\x02", central + 4)
    for start, (crc, size) in place.items():
        changed[start + crc : start + crc + 4] = checksum.to_bytes(4, "little")
        changed[start + size : start + size + 4] = said.to_bytes(4, "little")
    return bytes(changed)

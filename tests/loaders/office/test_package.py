import io
import zipfile

import pytest
from bad_files import BOMB_BYTES, climbing_zip, lying_zip, macro_file, nested_zip, xml_entities, zip_bomb
from lateral.errors import CorruptDocumentError, EncryptedDocumentError, LimitExceededError, UnsafeDocumentError
from lateral.loaders import limits
from lateral.loaders.office.package import checked_package
from office_files import make_docx, replaced, rezipped, with_lying_header

TEXT_PART = "word/document.xml"
DOCX = make_docx("words")


def archive(*parts, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, content in parts:
            made.writestr(name, content)
    return buffer.getvalue()


def check(raw):
    return checked_package(raw, "/a.docx")


def with_text(xml):
    return rezipped(DOCX, add=[("word/more.xml", xml)])


class TestWhatIsHandedOn:
    def test_xml_parts_are_as_they_were_and_others_are_empty(self):
        raw = rezipped(DOCX, add=[("word/media/a.png", b"\x89PNG"), ("word/b.vml", b"<!DOCTYPE x>")])
        package = check(raw)
        with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(package.stream) as new:
            assert set(new.namelist()) == set(old.namelist()) == package.names
            assert new.read(TEXT_PART) == old.read(TEXT_PART)
            assert (new.read("word/media/a.png"), new.read("word/b.vml")) == (b"", b"")
        assert package.warnings == ()

    def test_macros_are_dropped_with_a_warning(self):
        package = check(macro_file())
        assert zipfile.ZipFile(package.stream).read("word/vbaProject.bin") == b""
        assert package.warnings == ("the file holds macros: its text was read, the macros were neither read nor run",)

    def test_files_inside_are_not_opened(self):
        assert check(nested_zip()).warnings == (
            "files inside the file are not opened: 'word/embeddings/inner.zip'; "
            "add them by themselves if they are wanted",
        )

    def test_only_some_files_inside_are_named(self):
        inside = [(f"word/embeddings/{at}.bin", b"\xd0\xcf\x11\xe0") for at in range(9)]
        (warning,) = check(rezipped(DOCX, add=inside)).warnings
        assert warning.count("embeddings") == 3
        assert ", ...;" in warning


class TestNames:
    @pytest.mark.parametrize("name", ["../a.xml", "a/../../b.xml", "/etc/a.xml", "a\\..\\b.xml", "C:/a.xml", "a/.."])
    def test_one_that_leads_out_is_refused(self, name):
        with pytest.raises(UnsafeDocumentError, match="name leads out of the archive"):
            check(archive((name, b"<a/>")))

    def test_dots_in_a_name_are_fine(self):
        assert check(archive(("a..b/c...xml", b"<a/>"))).names == {"a..b/c...xml"}

    def test_two_parts_with_one_name_are_refused(self):
        with pytest.raises(UnsafeDocumentError, match=r"two parts have the name 'A\.xml'"):
            check(archive(("a.xml", b"<a/>"), ("A.xml", b"<b/>")))

    def test_too_many_parts(self):
        raw = archive(*((str(at), b"") for at in range(limits.MAX_MEMBERS + 1)), compression=zipfile.ZIP_STORED)
        with pytest.raises(LimitExceededError, match="20001 parts, more than the limit of 20000"):
            check(raw)


class TestSizes:
    def test_a_bomb_is_refused(self):
        raw = zip_bomb()
        assert len(raw) * limits.MAX_INFLATION < BOMB_BYTES
        with pytest.raises(UnsafeDocumentError, match="inflates to over 200 times its size"):
            check(raw)

    def test_a_small_part_may_inflate_well(self):
        blank = ("word/media/blank.bmp", bytes(limits.SMALL_INFLATED_BYTES * 3 // 4))
        raw = rezipped(DOCX, add=[blank])
        assert len(raw) * limits.MAX_INFLATION < len(blank[1])
        assert blank[0] in check(raw).names

    def test_a_large_file_that_is_no_bomb_is_over_the_limit(self):
        noise = b"".join(bytes([at % 251, at % 13]) for at in range(5 * 2**19))
        stored = [(f"{at}.bin", noise) for at in range(limits.MAX_INFLATED_BYTES // len(noise) + 1)]
        with pytest.raises(LimitExceededError, match="inflates to more than 256 MB: split it"):
            check(archive(*stored, compression=zipfile.ZIP_STORED))

    def test_a_header_that_says_too_little_is_a_lie(self):
        with pytest.raises(UnsafeDocumentError, match=r"header lies: 'word/document.xml' has \d+ bytes, not 1000"):
            check(lying_zip())

    def test_a_header_that_says_too_much_is_a_lie(self):
        with pytest.raises(UnsafeDocumentError, match=r"header lies: 'word/document\.xml'"):
            check(with_lying_header(DOCX, TEXT_PART, 2**31))

    def test_a_wrong_checksum_is_damage(self):
        size = len(zipfile.ZipFile(io.BytesIO(DOCX)).read(TEXT_PART))
        raw = with_lying_header(DOCX, TEXT_PART, size)
        assert check(raw).names
        with zipfile.ZipFile(io.BytesIO(raw)) as opened:
            checksum = opened.getinfo(TEXT_PART).CRC.to_bytes(4, "little")
        with pytest.raises(CorruptDocumentError, match=r"checksum of 'word/document.xml' is wrong"):
            check(raw.replace(checksum, b"\0\1\2\3"))


UNKNOWN = b'<?xml version="1.0" encoding="x"?><a/>'
EBCDIC = b'<?xml version="1.0" encoding="cp037"?><a/>'


class TestXml:
    @pytest.mark.parametrize(
        "xml",
        [
            b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
            b'<?xml version="1.0"?><!-- x --><!DOCTYPE a SYSTEM "http://example.org/a.dtd"><a/>',
            '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><a/>'.encode("utf-16"),
        ],
    )
    def test_a_doctype_is_refused_in_every_encoding(self, xml):
        with pytest.raises(UnsafeDocumentError, match=r"'word/more\.xml' has a DOCTYPE"):
            check(with_text(xml))

    def test_one_in_the_text_itself_is_refused(self):
        with pytest.raises(UnsafeDocumentError, match=r"'word/document\.xml' has a DOCTYPE"):
            check(xml_entities())

    def test_one_in_a_comment_or_in_words_is_none(self):
        xml = b"<!-- <!DOCTYPE a> --><a>&lt;!DOCTYPE a&gt;<![CDATA[<!DOCTYPE a>]]></a>"
        assert zipfile.ZipFile(check(with_text(xml)).stream).read("word/more.xml") == xml

    @pytest.mark.parametrize("xml", [b"", b"<a>", b"words", b"<a>\xff</a>", UNKNOWN, EBCDIC])
    def test_what_is_not_well_formed_is_corrupt(self, xml):
        with pytest.raises(CorruptDocumentError, match=r"'word/more\.xml' is no well-formed XML"):
            check(with_text(xml))


class TestArchives:
    @pytest.mark.parametrize("raw", [b"", b"PK\x03\x04", DOCX[: len(DOCX) // 2], DOCX[:-30], DOCX[3000:]])
    def test_a_damaged_one_is_corrupt(self, raw):
        with pytest.raises(CorruptDocumentError, match="archive is damaged or cut short"):
            check(raw)

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_other_compressions_are_refused(self, method):
        with pytest.raises(UnsafeDocumentError, match=rf"compressed by method {method}, which no Office program uses"):
            check(archive(("a.xml", b"<a/>"), compression=method))

    def test_an_encrypted_part_needs_a_password(self):
        raw = bytearray(archive(("a.xml", b"<a/>")))
        raw[6] |= 1
        raw[raw.index(b"PK\x01\x02") + 8] |= 1
        with pytest.raises(EncryptedDocumentError, match="needs a password"):
            check(bytes(raw))

    def test_a_name_that_climbs_is_refused_in_a_whole_document(self):
        with pytest.raises(UnsafeDocumentError, match=r"'word/\.\./\.\./evil\.xml'"):
            check(climbing_zip())

    def test_a_changed_part_is_still_a_good_one(self):
        assert check(replaced(DOCX, TEXT_PART, b"words", b"other words")).warnings == ()

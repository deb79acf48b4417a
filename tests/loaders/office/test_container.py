import pytest
from bad_files import encrypted_office, old_office
from lateral.errors import EncryptedDocumentError, UnsupportedFormatError
from lateral.loaders.office.container import check_no_container


def test_an_encrypted_file_says_so():
    with pytest.raises(EncryptedDocumentError, match="needs a password: open it in its program") as caught:
        check_no_container(encrypted_office(), "/a.docx")
    assert caught.value.source == "/a.docx"


def test_an_old_file_says_what_to_save_it_as():
    with pytest.raises(UnsupportedFormatError, match=r"before 2007.*save it as \.docx, \.pptx or \.xlsx"):
        check_no_container(old_office(), "/a.docx")


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04", b"EncryptedPackage".decode().encode("utf-16-le")])
def test_anything_else_passes(raw):
    assert check_no_container(raw, "/a.docx") is None

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.loaders.text import SAMPLE_BYTES, clean, decode, read_text

RUSSIAN = (
    "Шаровидный питон питается мелкими грызунами. Кормите его раз в неделю, вечером, и не тревожьте после еды. " * 5
)


@pytest.mark.parametrize(
    "raw",
    [
        "naïve €".encode(),
        codecs.BOM_UTF8 + "naïve €".encode(),
        "naïve €".encode("utf-16"),
        codecs.BOM_UTF16_BE + "naïve €".encode("utf-16-be"),
        "naïve €".encode("utf-32"),
        codecs.BOM_UTF32_BE + "naïve €".encode("utf-32-be"),
    ],
)
def test_unicode_is_read_without_a_warning(raw):
    assert decode(raw) == ("naïve €", None)


def test_another_encoding_is_guessed_and_named():
    text, warning = decode(RUSSIAN.encode("cp1251"))
    assert text == RUSSIAN
    assert "not UTF-8 and was read as" in warning
    assert "1251" in warning


def test_one_damaged_byte_does_not_turn_utf8_into_another_encoding():
    raw = RUSSIAN.encode() + b"\xff" + RUSSIAN.encode()
    text, warning = decode(raw)
    assert text == RUSSIAN + "\ufffd" + RUSSIAN
    assert warning == "1 characters are not valid UTF-8 and were replaced"


@pytest.mark.parametrize(("letters", "damaged"), [(10, True), (9, False)])
def test_up_to_a_tenth_of_bad_bytes_is_damage(letters, damaged):
    # One bad byte: one tenth of ten two-byte letters, but more than a tenth of nine.
    text, warning = decode("é".encode() * letters + b" \xe9 " + b"plain words " * 20)
    assert text.startswith("é" * letters) is damaged
    assert ("were replaced" if damaged else "was read as") in warning


def test_an_encoding_is_guessed_from_where_it_begins_to_matter():
    plain, russian = "plain words " * SAMPLE_BYTES, RUSSIAN * 100
    text, warning = decode(plain.encode() + russian.encode("cp1251"))
    assert text.removeprefix(plain) == russian
    assert "1251" in warning


def test_a_cut_utf16_file_is_read_with_a_warning():
    text, warning = decode("abc".encode("utf-16") + b"x")
    assert text == "abc\ufffd"
    assert warning == "1 characters are not valid UTF-16 and were replaced"


def test_bytes_of_no_encoding_are_text_with_a_warning():
    assert decode(bytes(range(128, 256)) * 3) == (
        "\ufffd" * 384,
        "384 characters are not valid UTF-8 and were replaced",
    )


def test_line_ends_and_controls():
    assert decode(b"a\r\nb\rc\x00d\x07\te\x0cf\x7f") == ("a\nb\ncd\te\nf", None)


def test_lone_surrogates_are_replaced_and_pairs_joined():
    assert clean("a\ud800b \ud83d\ude00") == "a\ufffdb 😀"


@given(st.binary(max_size=300))
def test_any_bytes_become_clean_text(raw):
    text, _ = decode(raw)
    text.encode()  # no lone surrogates
    assert not set(text) & {chr(code) for code in range(32) if chr(code) not in "\t\n"}


@given(st.text(max_size=100))
def test_cleaning_twice_is_cleaning_once(text):
    assert clean(clean(text)) == clean(text)


def test_read_text_is_one_section():
    document = read_text(b"One.\r\n\r\nTwo.", "/a.txt")
    assert document.source == "/a.txt"
    assert [(section.text, section.page, section.start_char) for section in document.sections] == [
        ("One.\n\nTwo.", None, 0)
    ]
    assert document.warnings == ()
    assert read_text(RUSSIAN.encode("cp1251"), "/a.txt").warnings[0].startswith("the text is not UTF-8")

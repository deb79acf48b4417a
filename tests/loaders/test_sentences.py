import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.loaders.sentences import _SOFT, _TITLES, split_sentences


def sentences(text):
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t ", []),
        ("One", ["One"]),
        ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
        ('He said "Hi." She left.', ['He said "Hi."', "She left."]),
        ("(See it.) Then go. [Done.]", ["(See it.)", "Then go.", "[Done.]"]),
        ('"Really?" he asked. Yes.', ['"Really?" he asked.', "Yes."]),
        ("Well... maybe. Wait... No.", ["Well... maybe.", "Wait...", "No."]),
        ("日本語です。次の文！「はい。」と言う", ["日本語です。", "次の文！", "「はい。」", "と言う"]),
        ("Dr. Smith saw Fig. 3 vs. Fig. 4. Good.", ["Dr. Smith saw Fig. 3 vs. Fig. 4.", "Good."]),
        ("J. Smith et al. found it, i.e. here. Then", ["J. Smith et al. found it, i.e. here.", "Then"]),
        ("See No. 7 now. No. I won't.", ["See No. 7 now.", "No.", "I won't."]),
        ("Pi is 3.14 today. Version 1.2.3 too.", ["Pi is 3.14 today.", "Version 1.2.3 too."]),
        ("Cats, dogs, etc. are fine. Cats etc. Dogs too.", ["Cats, dogs, etc. are fine.", "Cats etc.", "Dogs too."]),
        ("the flow is laminar . a second case follows .", ["the flow is laminar .", "a second case follows ."]),
        ("In 1999. Then", ["In 1999.", "Then"]),
        ("1. Buy milk. Now\n2. Go", ["1. Buy milk.", "Now", "2. Go"]),
        ("one line\nstill the same", ["one line\nstill the same"]),
        ("a paragraph\n\nanother", ["a paragraph", "another"]),
        ("a paragraph\n \t\n\n another", ["a paragraph", "another"]),
        ("intro\n# Head\nbody", ["intro", "# Head\nbody"]),
        ("list:\n- one\n  * two\n3. three", ["list:", "- one", "* two", "3. three"]),
        ("| a | b |\n| c | d |", ["| a | b |", "| c | d |"]),
        ("**Bold.** Next", ["**Bold.**", "Next"]),
        ("see example.com/a.b for more", ["see example.com/a.b for more"]),
        ("Cats, etc.  and dogs. Yes.", ["Cats, etc.  and dogs.", "Yes."]),
        ("See No.  7 now. No.  I won't.", ["See No.  7 now.", "No.", "I won't."]),
        ('Well...  maybe. "What?"  he said.', ["Well...  maybe.", '"What?"  he said.']),
        ("Cats, etc. \n and dogs. Cats etc.\n\nand dogs.", ["Cats, etc. \n and dogs.", "Cats etc.", "and dogs."]),
        ("  12. Buy milk. (3. No item.", ["12. Buy milk.", "(3.", "No item."]),
    ],
)
def test_borders(text, expected):
    assert sentences(text) == expected


@pytest.mark.parametrize("word", sorted(_TITLES | _SOFT))
def test_every_abbreviation_is_known_even_in_brackets(word):
    text = f'As said (["{word}. xiv) it stands.'
    assert sentences(text) == [text]


TEXTS = st.text(alphabet=st.sampled_from("ab A1.!?…。\"')([]\n\t -#|*\u3000é"), max_size=200) | st.text(max_size=100)


@given(TEXTS)
def test_spans_are_trimmed_ordered_and_leave_out_only_whitespace(text):
    spans = split_sentences(text)
    position = 0
    for start, end in spans:
        assert position <= start < end
        assert not text[position:start].strip()
        assert text[start:end] == text[start:end].strip()
        position = end
    assert not text[position:].strip()


@pytest.mark.parametrize("unit", [".", '."', "a. ", "\n", "\n ", "x", "\n- a", "漢。", " ", "1. ", "etc.  "])
def test_time_is_linear_in_one_long_line(unit):
    size = 200_000

    def seconds(length):
        text = (unit * length)[:length] + "x"
        begun = time.perf_counter()
        split_sentences(text)
        return time.perf_counter() - begun

    # A quadratic pass would take 64 times as long for 8 times the text.
    assert seconds(8 * size) < 24 * max(seconds(size), 0.01)

import time

import pytest
from lateral.rag.generators.identifiers import (
    MAX_CHARS,
    MAX_IDENTIFIERS,
    identifiers,
    passage_tiers,
    speak_of,
    without_codes,
)


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("What is the torque of PX-217?", ["the px217 pump", "PX 217", "PX‑217.", "(PX_217)"]),
        ("px217 torque", ["the PX-217 pump"]),
        ("the 6204-2RS", ["bearing 6204-2rs"]),
        ("What does 0x8070FE mean?", ["error 0X8070fe"]),
        ("ERR_CONN_RESET", ["err_conn_reset", "ERR CONN RESET"]),
        ("Where is max_tokens set?", ["max_tokens = 3"]),
        ("what is said by RFC 2119", ["RFC2119", "rfc 2119"]),
        ("screws M8x40", ["M8x40"]),
        ("version v1.2.3", ["v1.2.3"]),
        ("Who wrote “The Long Way”?", ["the long\nway home"]),
        ('Who said "stop  there!"', ["Stop there, he said"]),
        ("Wer ist «Der Hirt»?", ["der hirt"]),
    ],
)
def test_identifier_is_found_however_it_is_joined(question, texts):
    (found,) = identifiers(question)
    assert all(found.exact.search(text) for text in texts)


@pytest.mark.parametrize(
    "question",
    [
        "How long is 20 litres kept in the 1990s, the 20th or the 19th-century?",
        "Is 5GB, 30m, 230V, 3.5kg or 10% enough?",
        "What happened in 2019 and/or 9/11?",
        "IN 2019 WHO WON?",
        'An empty "", a 5" pipe in a 6" pipe, a _ and a "?!"',
        "",
    ],
)
def test_amounts_times_and_plain_words_are_no_identifiers(question):
    assert identifiers(question) == []


@pytest.mark.parametrize("text", ["PX-2170", "PX-21", "APX-217", "PX-21 7", "PX--217"])
def test_another_identifier_is_not_taken_for_it(text):
    (found,) = identifiers("PX-217?")
    assert found.exact.search(text) is None


def test_identifier_named_twice_counts_once():
    assert len(identifiers("Is PX-217 the same as px217?")) == 1


@pytest.mark.parametrize(
    ("question", "tiers"),
    [
        ("How heavy is a pump?", [{0, 1, 2, 3}]),
        ("How heavy is the PX-999?", [{0, 1, 2, 3}]),
        ("How heavy is the PX-217?", [{1, 3}, {2}]),
        ("Does the PX-217 replace the PX-216?", [{3}, {2}]),
        ('Which "pump in general" is heavy?', [{2}, {0, 1, 3}]),
    ],
)
def test_passages_with_the_identifier_come_first_and_those_of_another_of_its_kind_never(question, tiers):
    texts = ["The PX-216 is heavy.", "The PX-217 is light.", "A pump in general.", "PX-216 and PX-217 differ."]
    assert passage_tiers(identifiers(question), texts) == tiers


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("What of PX-217?", [False, True, True, True, False]),
        ("What of PX-216?", [True, False, False, True, True]),
        ("What of PX-216 and PX-217?", [True] * 5),
        ("What of PX-999?", [False] * 5),
        ("What of a pump?", [True] * 5),
    ],
)
def test_a_sentence_is_about_the_identifier_in_it_or_the_last_before_it(question, about):
    sentences = ["PX-216 drips.", "PX-217 hums.", "It is new.", "PX-217 replaces PX-216.", "It is old."]
    text = "# PX-216\n" + "\n## PX-216\n".join([" ".join(sentences[:4]), sentences[4]])
    starts = [text.index(sentence) for sentence in sentences]
    spans = [(start, start + len(sentence)) for start, sentence in zip(starts, sentences, strict=True)]
    assert speak_of(identifiers(question), text, spans) == about


@pytest.mark.parametrize(("then", "about"), [("PX-217 hums.", True), ("PX-216 hums.", False)])
def test_a_text_that_begins_without_an_identifier_is_about_the_one_that_it_goes_on_to(then, about):
    text = f"It drips. {then}"
    assert speak_of(identifiers("PX-217"), text, [(0, 9), (10, len(text))]) == [about, about]


@pytest.mark.parametrize(
    ("text", "rival"),
    [("AS 208", True), ("AS-208", True), ("as-208", True), ("as208", True), ("known as 3 men", False)],
)
def test_common_words_before_a_number_are_no_identifier_of_the_kind(text, rival):
    (found,) = identifiers("Who flew AS-206?")
    assert (found.kind.search(text) is not None) == rival


def test_codes_can_be_taken_out_of_a_question_and_quoted_phrases_stay():
    assert without_codes('Is the PX-217 in "The Long Way"?') == 'Is the   in "The Long Way"?'


def test_identifiers_of_a_pasted_log_are_bounded():
    log = " ".join(f"E-{number}" for number in range(1_000))
    assert len(identifiers(log)) == MAX_IDENTIFIERS
    assert identifiers(f"What is x{'1' * MAX_CHARS}?") == []


def test_no_passages_are_one_empty_tier():
    assert passage_tiers(identifiers("PX-217"), []) == [set()]


@pytest.mark.parametrize("text", ["1" * 100_000, "a1." * 30_000, "a_" * 50_000, '"' * 100_000, "A " * 50_000])
def test_long_strange_text_costs_no_time(text):
    start = time.perf_counter()
    for question in (text, "a1.1.1.1.1.1.1.1.1.1-b"):
        passage_tiers(identifiers(question), [text])
        speak_of(identifiers(question), text, [(0, len(text))])
    assert time.perf_counter() - start < 5


@pytest.mark.timeout(20)
def test_one_long_word_takes_linear_time():
    assert identifiers("a" * 400_000) == []
    assert without_codes("a" * 400_000 + " PX-217").endswith("a  ")

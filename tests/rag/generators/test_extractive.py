import math

import numpy as np
import pytest
from builders import CountingEmbedder
from hypothesis import example, given, settings
from hypothesis import strategies as st
from identifier_cases import PAGES
from lateral.errors import InvalidArgumentError
from lateral.rag.citing.citations import check_citations
from lateral.rag.generators.extractive import NOTHING_FOUND, ExtractiveGenerator
from lateral.rag.prompt import build_messages
from lateral.retrievers.hash_embedder import HashEmbedder

WATER = "# Emergency water\n\nAdd 8 drops of 6% bleach to each gallon of clear water. Let it stand for 30 minutes."
SHOP = "Refunds are issued within 30 days of purchase. Shipping to Europe takes five to seven working days."
SNAKES = "Ball pythons eat one rodent every seven to fourteen days. Keep the enclosure at 78 degrees."
STAFF = "Passwords must be changed every 90 days. The office is closed on public holidays."
TABLE = "| Agent | Dose | Wait |\n|---|---|---|\n| Bleach | 8 drops | 30 minutes |\n| Iodine | 5 drops | 60 minutes |"


@pytest.fixture
def ask(make_passage):
    """The answer's text to a question about texts, numbered from 1."""

    def answer(question, *texts, encoder=None, **settings):
        passages = [make_passage(text, n) for n, text in enumerate(texts, start=1)]
        return "".join(ExtractiveGenerator(encoder, **settings).generate(build_messages(question, passages)))

    return answer


@pytest.mark.parametrize("encoder", [None, HashEmbedder(64)])
@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many drops of bleach per gallon?", "“Add 8 drops of 6% bleach to each gallon of clear water.” [2]"),
        ("How long does shipping to Europe take?", "“Shipping to Europe takes five to seven working days.” [1]"),
        ("What do ball pythons eat?", "“Ball pythons eat one rodent every seven to fourteen days.” [3]"),
    ],
)
def test_the_best_sentence_is_quoted_by_its_words(ask, encoder, question, expected):
    assert ask(question, SHOP, WATER, SNAKES, encoder=encoder, max_sentences=1) == expected


@pytest.mark.parametrize("encoder", [None, HashEmbedder(64)])
@pytest.mark.parametrize("question", ["What is the capital of Mongolia?", "Who is she?", "???", "Emergency"])
def test_what_the_passages_do_not_hold_is_not_answered(ask, encoder, question):
    assert ask(question, SHOP, SNAKES, encoder=encoder) == NOTHING_FOUND


@pytest.mark.parametrize("texts", [(), ("",), ("# Bleach",), ("Bleach. See it.",)])
def test_passages_without_a_sentence_answer_nothing(ask, texts):
    assert ask("What about bleach?", *texts) == NOTHING_FOUND


def test_nothing_found_cites_nothing():
    assert "[" not in NOTHING_FOUND


def test_a_table_row_is_quoted_under_its_header(ask):
    assert ask("What dose of iodine?", TABLE) == "“Agent | Dose | Wait”: “Iodine | 5 drops | 60 minutes” [1]"


def test_near_duplicates_are_quoted_once_and_other_numbers_are_no_duplicates(ask):
    twin = "Add 8 drops of 6% bleach  to each gallon of clear water!"
    other = "Add 16 drops of 6% bleach to each gallon of clear water."
    answer = ask("Drops of bleach for each gallon of clear water?", WATER, twin, other)
    assert answer.splitlines() == [
        "“Add 8 drops of 6% bleach to each gallon of clear water.” [1]",
        "“Add 16 drops of 6% bleach to each gallon of clear water.” [3]",
    ]


def test_sentences_of_equal_numbers_are_twins_only_where_most_words_are_shared(ask):
    first = "The red valve holds clear cold rain water well at every hour of the day."
    twin = "The red valve holds clear cold rain water well at every hour of the night."
    other = "The red valve leaks oil."
    assert len(ask("What does the red valve do?", first, twin).splitlines()) == 1
    assert len(ask("What does the red valve do?", first, other).splitlines()) == 2


def test_at_most_max_sentences_come(ask):
    texts = [
        f"The {name} valve holds {number} bar." for number, name in enumerate(["red", "blue", "green", "black"], 11)
    ]
    assert len(ask("What does the valve hold in bar?", *texts).splitlines()) == 3
    assert len(ask("What does the valve hold in bar?", *texts, max_sentences=2).splitlines()) == 2


@pytest.mark.parametrize("max_sentences", [0, -1, True, 1.5])
def test_max_sentences_is_at_least_one(max_sentences):
    with pytest.raises(InvalidArgumentError, match="max_sentences must be a whole number of at least 1"):
        ExtractiveGenerator(max_sentences=max_sentences)


def test_a_sentence_with_unbalanced_marks_gets_others(ask):
    assert ask("How wide is the pipe?", "The pipe is 5” wide [7].") == "«The pipe is 5” wide [7].» [1]"
    assert ask("How wide is the pipe?", "The “pipe« is 5 wide.") == "「The “pipe« is 5 wide.」 [1]"


def test_a_sentence_with_every_kind_of_marks_has_its_curly_ones_straightened(ask, make_passage):
    text = "The pipe is marked ” and “ and « and 」 and 『 on both ends."
    answer = ask("How is the pipe marked?", text)
    assert answer == '“The pipe is marked " and " and « and 」 and 『 on both ends.” [1]'
    assert [citation.supported for citation in check_citations(answer, [make_passage(text)])] == [True]


@pytest.mark.parametrize("mark", ["```", "~~~", "`"])
def test_a_document_with_an_unpaired_code_mark_keeps_every_citation(ask, make_passage, mark):
    texts = [f"The pipe is {number} m wide at {mark} the end." for number in (5, 6)]
    answer = ask("How wide is the pipe at the end?", *texts, max_sentences=2)
    citations = check_citations(answer, [make_passage(text, n) for n, text in enumerate(texts, start=1)])
    assert [(citation.n, citation.supported) for citation in citations] == [(1, True), (2, True)]


def test_a_long_sentence_with_another_number_is_no_duplicate(ask):
    plain = (
        "Add 8 drops of household bleach slowly to each gallon of clear cold water before you drink it with friends."
    )
    answer = ask(
        "How many drops of bleach for each gallon of clear water?", plain, plain.replace("8", "16"), plain[:-1]
    )
    assert answer.splitlines() == [f"“{plain}” [1]", f"“{plain.replace('8', '16')}” [2]"]


DOSES = (
    "| Water | Bleach | Remark |\n|---|---|---|\n| 10 litres | 2 ml | or 20 drops of it |\n"
    "| 20 litres | 4 ml | or 40 drops of it |\n| 50 litres | 10 ml | or 100 drops of it |"
)


def test_of_a_tables_rows_the_one_with_the_questions_own_phrase_comes_alone(ask):
    assert ask("How much bleach for 20 litres of water?", DOSES) == (
        "“Water | Bleach | Remark”: “20 litres | 4 ml | or 40 drops of it” [1]"
    )


def test_a_quote_about_another_amount_than_the_questions_stands_back(ask):
    texts = ["Mix 2 drops into 10 litres of clear water.", "Mix 4 drops, slowly, into 20 litres of any water."]
    assert ask("How many drops into 20 litres of clear water?", *texts) == f"“{texts[1]}” [2]"


def test_beside_a_quote_with_the_questions_number_come_only_others_with_it(ask):
    texts = [
        "The valve of type 7 holds clear water.",
        "The valve of type A holds clear water for long.",
        "At night the valve of type 7 holds clear cold water slowly.",
    ]
    answer = ask("Which clear water does the valve of type 7 hold?", *texts)
    assert [line[-2] for line in answer.splitlines()] == ["1", "3"]


CODE = "Sluice moves logs. Install it with:\n\n```sh\napt install sluice\n\nsluice --version\n```\n\nThen go home."
LIST = "In the fire pit you may burn:\n\n- dry branches\n- paper,\n  and cardboard\n\nThe gates are closed at nine."


def test_code_and_lists_are_quoted_behind_what_introduces_them_in_lines_of_their_own(ask, make_passage):
    code = ask("How do I install sluice?", CODE)
    assert code == "“Install it with:\n```sh\napt install sluice\nsluice --version\n```\n” [1]"
    items = ask("What may I burn in the fire pit?", LIST)
    assert items == "“In the fire pit you may burn:\n- dry branches\n- paper,\n  and cardboard” [1]"
    for answer, text in ((code, CODE), (items, LIST)):
        assert [citation.supported for citation in check_citations(answer, [make_passage(text)])] == [True]


def test_an_item_is_not_quoted_again_beside_its_list(ask):
    text = "You may burn dry branches:\n- dry branches of any tree\n- paper"
    assert len(ask("May I burn dry branches?", text).split(" [1]")) == 2


def test_code_that_the_passage_cuts_is_closed(ask):
    assert ask("How to install sluice?", "Install sluice with:\n```sh\napt install sluice") == (
        "“Install sluice with:\n```sh\napt install sluice\n```\n” [1]"
    )


def test_a_row_comes_with_each_line_of_its_tables_head(ask):
    prose = "The figures are given in full, as the treasurer wrote them down at the end of the year."
    text = f"{prose}\nSales by region 2024\nRegion Manager Revenue\nNorth Ann 12\nSouth Bob 9\n{prose}"
    assert ask("Who is the manager of the South region?", text, max_sentences=1) == (
        "“Sales by region 2024”, “Region Manager Revenue”: “South Bob 9” [1]"
    )


class PlacedEncoder:
    """Gives each known text its vector, and the built-in texts of the scale unit vectors: cosines are the scale."""

    space = "placed"
    max_tokens = 512

    def __init__(self, vectors):
        self._vectors = vectors

    def _encode(self, texts):
        axes = np.eye(12, dtype=np.float32)
        rows = [np.pad(self._vectors[t], (0, 10)) if t in self._vectors else axes[i] for i, t in enumerate(texts)]
        return np.array(rows, dtype=np.float32)

    encode_documents = encode_queries = _encode

    def count_tokens(self, texts):
        return [len(text.split()) for text in texts]


def at(cosine):
    """A unit vector at this cosine to (1, 0)."""
    return [cosine, math.sqrt(1 - cosine**2)]


@pytest.mark.parametrize(("cosine", "found"), [(0.78, False), (0.82, True)])
def test_meaning_alone_is_enough_from_four_fifths_of_the_scale_on(ask, cosine, found):
    question, sentence = "New login secret?", "Passwords change every spring."
    encoder = PlacedEncoder({question: at(1), sentence: at(cosine)})
    assert (ask(question, sentence, encoder=encoder) != NOTHING_FOUND) == found


@pytest.mark.parametrize(("cosine", "best"), [(0.2, 1), (0.25, 2)])
def test_a_sentence_has_part_of_its_neighbours_meaning(ask, cosine, best):
    # Beside its neighbour at 1, the sentence at 0 is blended to 0.5 / sqrt(1.25) = 0.447, and counts (0 + 0.447) / 2.
    question, subject, sentence = "Blue valves leak?", "This is about something else.", "Blue valves leak."
    other = "Blue valves leak often."
    encoder = PlacedEncoder({question: at(1), subject: at(1), sentence: at(0), other: at(cosine)})
    answer = ask(question, f"{subject} {sentence}", other, encoder=encoder, max_sentences=1)
    assert answer == (f"“{sentence}” [1]" if best == 1 else f"“{other}” [2]")


def test_many_sentences_are_preselected_by_their_words(ask):
    filler = " ".join(f"The report of unit {number} was filed late." for number in range(200))
    answer = ask("How many drops of bleach per gallon?", filler, WATER, max_sentences=1)
    assert answer == "“Add 8 drops of 6% bleach to each gallon of clear water.” [2]"


@settings(max_examples=500)
@given(
    text=st.lists(
        st.sampled_from(
            [
                *("Add bleach", "to the", "water", "8 drops", ".", ". ", "\n", "\n\n", "[2]", "- ", "| ", "# ", ":"),
                *("“", "”", "«", "»", "「", "』", "```", "~~~", "`", "【3】", '"', "\n```\n"),
            ]
        ),
        max_size=40,
    ).map(" ".join),
    max_sentences=st.integers(1, 4),
)
@example(text="“ \n Add bleach \n 8 drops \n Add bleach Add bleach", max_sentences=1)  # a table headed by a mark
def test_every_quote_stands_in_its_passage(make_passage, text, max_sentences):
    passages = [make_passage(text, 7)]
    messages = build_messages("How many drops of bleach to the water?", passages)
    answer = "".join(ExtractiveGenerator(max_sentences=max_sentences).generate(messages))
    citations = check_citations(answer, passages)
    if answer == NOTHING_FOUND:
        assert citations == []
    else:
        assert 1 <= len(citations) <= max_sentences
        assert all(citation.n == 7 and citation.supported for citation in citations)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How do I disinfect water with chlorine?", "“Add 8 drops of 6% bleach to each gallon of clear water.” [2]"),
        ("How long does delivery to France take?", "“Shipping to Europe takes five to seven working days.” [1]"),
        ("python snake feeding", "“Ball pythons eat one rodent every seven to fourteen days.” [3]"),
        ("How often do I need a new login secret?", "“Passwords must be changed every 90 days.” [4]"),
    ],
)
def test_the_default_model_finds_answers_in_other_words(ask, minilm, question, expected):
    assert ask(question, SHOP, WATER, SNAKES, STAFF, encoder=minilm, max_sentences=1) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of Mongolia?",
        "How do I cook pasta?",
        "What is Python's list comprehension?",
        "Can I bring my dog to the office?",
        "What is the boiling point of water?",
        "How do I change the oil in my car?",
    ],
)
def test_the_default_model_refuses_near_misses(ask, minilm, question):
    assert ask(question, SHOP, WATER, SNAKES, STAFF, encoder=minilm) == NOTHING_FOUND


def test_how_long_is_answered_by_a_time(make_passage):
    texts = [
        "A flooded well must be treated as unsafe before testing. Raise the casing of a well by 30 centimetres.",
        "Wait 7 to 10 days after flushing, then test the well.",
    ]
    passages = [make_passage(text, number) for number, text in enumerate(texts, 1)]
    question = "How long should I wait before testing a flooded well?"
    answer = "".join(ExtractiveGenerator().generate(build_messages(question, passages)))
    assert answer.splitlines()[0] == "“Wait 7 to 10 days after flushing, then test the well.” [2]"


CAT = "Felix is a grey cat who lives in the kitchen. {} Luna is the cat next door."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When was Felix found?", "He was found in the barn in 2019."),
        ("In what month was Felix born?", "He was born in May."),
        ("When is Felix fed?", "He is fed at half past six."),
        ("At what time is Felix fed?", "He is fed in the evening."),
        ("On which day is Felix brushed?", "He is brushed on Sundays."),
    ],
)
def test_when_is_answered_by_a_date_or_a_time(ask, minilm, question, answer):
    assert ask(question, CAT.format(answer), encoder=minilm, max_sentences=1) == f"“{answer}” [1]"


def test_when_is_not_answered_by_any_figure(ask):
    answer = ask("When does the pump run?", "The pump runs 5 kg of sand away. The pump runs at 5.", max_sentences=1)
    assert answer == "“The pump runs at 5.” [1]"


def test_a_clause_with_when_asks_for_no_time(ask):
    text = "Fold the sheet when the red lamp blinks. In 2019 the lamp of the sheet was new."
    assert ask("When the red lamp blinks, what do I fold?", text, max_sentences=1).startswith("“Fold the sheet")


@pytest.mark.parametrize("encoder", [None, HashEmbedder(64)])
@pytest.mark.parametrize("wanted", [211, 217, 223])
def test_an_identifier_binds_the_quote_to_its_own_page(ask, encoder, wanted):
    pages = [PAGES[f"model-{number}"] for number in (223, 216, 211, 127, 217, 218)]
    place = (223, 216, 211, 127, 217, 218).index(wanted) + 1
    answer = ask(f"How often is the bearing of the PX-{wanted} greased?", *pages, encoder=encoder)
    assert f"Its bearing is greased every {800 + wanted * 37 % 1_900} hours" in answer
    assert {line[-3:] for line in answer.splitlines()} == {f"[{place}]"}


def test_a_page_about_another_identifier_of_the_kind_never_answers(ask):
    rival, base = "The PX-216 weighs 40 kg with its base.", "A base weighs 3 kg."
    assert ask("What does the PX-217 weigh?", rival) == NOTHING_FOUND
    assert ask("What does the PX-217 weigh?", rival, "PX-217: see the annex.") == "“PX-217: see the annex.” [2]"
    assert ask("What does the base of the PX-217 weigh?", rival, "# PX-217", base) == f"“{base}” [3]"


def test_of_two_identifiers_on_one_page_the_sentences_behind_the_questions_own_are_quoted(ask):
    page = "# PX-216\n\nTighten the bolts to 40 Nm.\n\n# PX-217\n\nTighten the bolts to 52 Nm."
    assert ask("To how many Nm do I tighten the bolts of the PX-217?", page) == "“Tighten the bolts to 52 Nm.” [1]"
    codes = "| Code | Fault |\n|---|---|\n| E-441 | fault of the link |\n| E-442 | fault of the clock |"
    assert ask("Which fault is E-442?", codes) == "“Code | Fault”: “E-442 | fault of the clock” [1]"


def test_a_quoted_phrase_binds_the_quote_and_where_nothing_holds_it_all_passages_stand(ask):
    texts = ["The long way home is a song about rain.", "The song about rain has a long way to home."]
    assert ask('Is "way to home" in the song about rain?', *texts) == f"“{texts[1]}” [2]"
    assert ask('Is "highway" in the song about rain?', *texts).splitlines()[0] == f"“{texts[0]}” [1]"


def test_a_second_question_and_its_check_encode_no_probes(make_passage):
    encoder, passages = CountingEmbedder(64), [make_passage("Add 8 drops of bleach to each gallon of clear water.")]
    costs = []
    for _ in range(2):
        before = len(encoder.encoded)
        messages = build_messages("How many drops of bleach per gallon?", passages)
        assert "".join(ExtractiveGenerator(encoder).generate(messages)).endswith("[1]")
        check_citations("Each gallon of water gets 8 drops [1].", passages, encoder=encoder)
        costs.append(len(encoder.encoded) - before)
    assert costs == [48, 0]  # hashed words are no evidence of meaning, so only the probes are encoded

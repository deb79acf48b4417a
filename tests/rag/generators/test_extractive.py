import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


def test_many_sentences_are_preselected_by_their_words(ask):
    filler = " ".join(f"The report of unit {number} was filed late." for number in range(200))
    answer = ask("How many drops of bleach per gallon?", filler, WATER, max_sentences=1)
    assert answer == "“Add 8 drops of 6% bleach to each gallon of clear water.” [2]"


@settings(max_examples=500)
@given(
    text=st.lists(
        st.sampled_from(
            [
                *("Add bleach", "to the", "water", "8 drops", ".", ". ", "\n", "\n\n", "[2]", "- ", "| ", "# "),
                *("“", "”", "«", "»", "「", "』", "```", "~~~", "`", "【3】", '"'),
            ]
        ),
        max_size=40,
    ).map(" ".join),
    max_sentences=st.integers(1, 4),
)
def test_every_quote_stands_in_its_passage(make_passage, text, max_sentences):
    passages = [make_passage(text, 7)]
    messages = build_messages("How many drops of bleach to the water?", passages)
    answer = "".join(ExtractiveGenerator(max_sentences=max_sentences).generate(messages))
    citations = check_citations(answer, passages)
    if answer == NOTHING_FOUND:
        assert citations == []
    else:
        assert len(citations) == len(answer.splitlines()) <= max_sentences
        assert all(citation.n == 7 and citation.supported for citation in citations)
        folded = " ".join(text.split())
        straight = folded.replace("“", '"').replace("”", '"')
        assert all(line[1:].rsplit(" [7]")[0][:-1] in (folded + straight) for line in answer.splitlines())


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

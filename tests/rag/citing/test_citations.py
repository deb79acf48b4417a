import pytest
from lateral.errors import InvalidArgumentError
from lateral.rag.citing.citations import check_citations
from lateral.retrievers.hash_embedder import HashEmbedder

HANDBOOK = (
    "Add 8 drops of 6 % bleach to each gallon of clear water. Let the water stand for 1,000 seconds.\n"
    "The Red Cross advises to store batteries in a cool place. In 1815 Wellington visited the camp near Waterloo."
)
OTHER = "In spring Napoleon sold the shop to IBM, and Blücher bought forty-two red chairs in Paris."


@pytest.fixture
def check(make_passage):
    """Each citation's support, for an answer about HANDBOOK as [1] and OTHER as [2]."""
    passages = [make_passage(HANDBOOK, 1), make_passage(OTHER, 2, source="/docs/ledger-2020.txt", page=None)]
    return lambda answer, encoder=None: [
        (citation.n, citation.supported) for citation in check_citations(answer, passages, encoder=encoder)
    ]


@pytest.fixture
def cite(make_passage):
    """The one citation of an answer about HANDBOOK."""

    def one(answer, encoder=None):
        (citation,) = check_citations(answer, [make_passage(HANDBOOK)], encoder=encoder)
        return citation

    return one


def test_an_answer_without_markers_or_text_has_no_citations(make_passage):
    assert check_citations("", [make_passage(HANDBOOK)]) == []
    assert check_citations("Water is wet.", []) == []


def test_a_citation_says_where_its_passage_stands(cite, make_passage):
    citation = cite("“Let the water stand” [1]")
    assert (citation.n, citation.source, citation.page, citation.boxes) == (1, "/docs/handbook.pdf", 3, ())
    assert citation.document_id == make_passage(HANDBOOK).document_id
    assert (citation.quote, citation.supported) == ("Let the water stand", True)


def test_a_number_without_a_passage_is_not_supported(make_passage):
    (citation,) = check_citations("Water is wet [7].", [make_passage(HANDBOOK)])
    assert (citation.n, citation.document_id, citation.source, citation.page) == (7, None, None, None)
    assert (citation.quote, citation.supported) == ("", False)


def test_a_passage_without_text_supports_nothing(make_passage):
    (citation,) = check_citations("Water is wet [1].", [make_passage("")])
    assert (citation.quote, citation.supported) == ("", False)


@pytest.mark.parametrize(
    ("quote", "supported"),
    [
        ("“Add 8 drops of 6 % bleach to each gallon of clear water.”", True),
        ('"let the water stand"', False),
        ("«1,000 seconds. The Red Cross»", True),
        ("“Add 9 drops of 6 % bleach”", False),
        ("“Add drops”", False),
        ("“Let the water stand” and “store batteries”", True),
        ("“Let the water stand” and “drink the batteries”", False),
    ],
)
def test_a_quote_must_stand_verbatim_in_its_passage(cite, quote, supported):
    citation = cite(f"{quote} [1]")
    assert citation.supported is supported
    assert citation.quote in HANDBOOK


def test_the_quote_is_the_passages_own_text(cite):
    assert cite("“for 1,000 seconds. The Red Cross advises” [1]").quote == "for 1,000 seconds.\nThe Red Cross advises"


def test_a_word_in_quotes_does_not_carry_the_rest_of_the_claim(check):
    assert check("For 500 days the queen found “clear” oceans in her garden [1].") == [(1, False)]
    assert check("Add 8 drops of bleach to “clear” water [1].") == [(1, True)]


@pytest.mark.parametrize("encoder", [None, HashEmbedder(64)])
@pytest.mark.parametrize(
    ("claim", "supported"),
    [
        ("Each gallon of water needs 8 drops of bleach.", True),
        ("Each gallon of water needs 9 drops of bleach.", False),
        ("Each gallon of water needs 8 drops of 6% bleach.", True),
        ("Each gallon of water needs 8 drops of 8% bleach.", False),
        ("The water stands for 1000 seconds.", True),
        ("The Red Cross says to store batteries in a cool place.", True),
        ("The Blue Cross says to store batteries in a cool place.", False),
        ("In 1815 the camp was visited by Wellington.", True),
        ("In 1815 the camp was visited by Napoleon.", False),
        ("Napoleon visited the camp near Waterloo.", False),
        ("Wellington visited the camp near Waterloo.", True),
        ("Soldiers visited the camp near Waterloo.", True),
        ("Elephants dance under purple moons.", False),
    ],
)
def test_an_unquoted_claim_needs_its_numbers_names_and_words(check, encoder, claim, supported):
    assert check(f"{claim} [1]", encoder) == [(1, supported)]


@pytest.mark.parametrize(
    ("passage", "claim"),
    [("The price is $1,250,000.", "The price is $1250000"), ("It costs 1250 euros.", "It costs 1,250 euros")],
)
def test_thousands_may_be_grouped_on_either_side(make_passage, passage, claim):
    (citation,) = check_citations(f"{claim} [1].", [make_passage(passage)])
    assert citation.supported


def test_number_words_of_the_passage_count(check):
    assert check("Blücher bought 42 red chairs [2].") == [(2, True)]


def test_a_name_may_come_from_the_file_name(check):
    assert check("The Ledger tells of red chairs that Blücher bought [2].") == [(2, True)]


def test_each_passage_is_asked_alone_and_in_order(check):
    assert check("Add 8 drops of bleach to clear water [2][1]. Blücher bought red chairs [2].") == [
        (2, False),
        (1, True),
        (2, True),
    ]


def test_the_nearest_sentence_is_shown_for_a_claim_without_quote(cite):
    assert cite("Each gallon needs 9 drops of bleach [1].").quote == HANDBOOK[:56]
    assert HANDBOOK[:56].endswith("clear water.")


class Unfit(HashEmbedder):
    """Fails when asked to encode."""

    def encode_documents(self, texts):
        raise InvalidArgumentError("was asked to encode")


def test_verbatim_quotes_cost_no_encoding(cite):
    assert cite("“Let the water stand” [1]", Unfit(8)).supported
    with pytest.raises(InvalidArgumentError, match="was asked to encode"):
        cite("The water stands a while [1].", Unfit(8))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claim", "supported", "nearest"),
    [
        (
            "One should keep batteries somewhere chilly.",
            True,
            "The Red Cross advises to store batteries in a cool place.",
        ),
        ("Every gallon gets 8 drops of a chlorine solution.", True, HANDBOOK[:56]),
        ("Every gallon gets 16 drops of a chlorine solution.", False, HANDBOOK[:56]),
        ("The stock market fell sharply last week.", False, None),
    ],
)
def test_the_default_model_knows_other_words(cite, minilm, claim, supported, nearest):
    citation = cite(f"{claim} [1]", minilm)
    assert citation.supported is supported
    assert nearest is None or citation.quote == nearest


def test_two_capitalised_words_that_open_a_claim_are_a_name(check):
    assert check("Red Cross says to store batteries in a cool place [1].") == [(1, True)]
    assert check("Blue Cross says to store batteries in a cool place [1].") == [(1, False)]


def test_a_word_that_some_passage_also_writes_small_is_no_name(make_passage):
    passages = [make_passage("Store the batteries in a cool dry place."), make_passage("Our Shop is a shop.", 2)]
    (citation,) = check_citations("Shop staff store the batteries in a cool dry place [1].", passages)
    assert citation.supported
    (citation,) = check_citations(
        "Shop staff store the batteries in a cool dry place [1].", [passages[0], make_passage("Our Shop is good.", 2)]
    )
    assert not citation.supported


BOILING = "Boil the water for a full minute. Above 2,000 metres boil it for three minutes. The CDC gives these times."


@pytest.mark.parametrize(
    ("answer", "supported"),
    [
        ("After 90 seconds in Paris, “Boil the water for a full minute.” [1]", False),
        ("You need 3 tablets: “Boil the water for a full minute.” [1]", True),  # the passage says "three"
        ("You need 4 tablets: “Boil the water for a full minute.” [1]", False),
        ("In Paris, “Boil the water for a full minute” [1].", False),
        ("“Boil the water for a full minute,” says the UN [1].", False),
        ("“Boil the water for a full minute.” [1]", True),
        ("“Above 2,000 metres boil it for three minutes”, says the CDC [1].", True),
        ("According to the handbook, “Boil the water for a full minute.” [1]", True),
        ("According to the Handbook, “Boil the water for a full minute.” [1]", True),
        ("As handbook-2020.pdf says on page 3: “Above 2,000 metres boil it for three minutes.” [1]", True),
        ("On page 4 it says: “Boil the water for a full minute.” [1]", False),
        ("Passage 1 says “Boil the water for a full minute” [1].", True),
        ("Source 2 says “Boil the water for a full minute” [1].", False),
        ("Yes. The answer is: “Boil the water for a full minute.” [1]", True),
        ("At 2000 metres: “Above 2,000 metres boil it for three minutes.” [1]", True),
        ("1. “Boil the water for a full minute.” [1]", True),
        ("- **Boiling**: “Boil the water for a full minute.” [1]", True),
        ("“Boil the water for a full minute.” Then, “boil it for three minutes” [1].", True),
        ("Safe: “Boil the water for a full minute”; above 2,000 metres, “three minutes” [1].", True),
    ],
)
def test_numbers_and_names_beside_a_quote_must_stand_in_the_passage(make_passage, answer, supported):
    passage = make_passage(BOILING, source="/docs/handbook-2020.pdf")
    assert [it.supported for it in check_citations(answer, [passage])] == [supported]


def test_a_source_named_by_digits_alone_vouches_for_no_number(make_passage):
    (citation,) = check_citations(
        "You need 4: “Boil the water for a full minute.” [1]", [make_passage(BOILING, source="4")]
    )
    assert not citation.supported

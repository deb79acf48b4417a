import pytest
from lateral.rag.citing.citations import check_citations
from lateral.rag.citing.names import known_names, names_stand

CDC = "The CDC says that who drinks it should let it stand for 30 minutes. Tell us when it is done."


@pytest.mark.parametrize(
    ("claim", "text", "stands"),
    [
        ("the WHO says so", CDC, False),
        ("a US agency says so", CDC, False),
        ("the IT staff says so", CDC, False),
        ("the WHO/CDC say so", CDC, False),
        ("the WHO says so", "The WHO says it.", True),
        ("the WHO says so", "The W.H.O. says it.", True),
        ("the WHO says so", "The World Health Organisation says it.", True),
        ("a US agency says so", "An agency of the U.S. says it.", True),
        ("a US agency says so", "An agency of the USA says it.", True),
        ("a US agency says so", "An American agency says it.", True),
        ("a US agency says so", "An agency of the United States says it.", True),
        ("a US agency says so", "Take the BUS, or plug in the USB stick.", False),
        ("the IT staff says so", "The staff of Information Technology says it.", True),
        ("who says so tells us of it", "Nobody.", True),
        ("you must NOT drink it", "Never drink from there.", True),
        ("DO IT NOW", "Never wait.", True),
        ("WHO SHOULD boil water", "Never wait.", True),
        ("it costs US$ 5", "The price is $5.", True),
    ],
)
def test_names_that_are_words_too_are_told_by_their_capitals(make_passage, claim, text, stands):
    assert names_stand(claim, make_passage(text), frozenset()) is stands


def test_a_file_may_be_named_so(make_passage):
    assert names_stand("the WHO says so", make_passage(CDC, source="/docs/who-guidelines.pdf"), frozenset())


def test_a_claim_that_puts_the_who_in_the_place_of_its_source_is_not_supported(make_passage):
    passage = make_passage(CDC)
    wrong, right = check_citations(
        "The WHO says to let it stand for 30 minutes [1]. The CDC says to let it stand for 30 minutes [1].", [passage]
    )
    assert (wrong.supported, right.supported) == (False, True)


def test_known_names_have_a_capital_inside_a_sentence_and_are_never_written_small(make_passage):
    passages = [make_passage("At noon Napoleon left the Shop."), make_passage("The shop was closed.", 2)]
    assert known_names(passages) == {"napoleon"}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("words", ["Ab: ", "US ", "a", "A.", "U.S. "])
def test_a_long_claim_takes_linear_time(make_passage, words):
    assert names_stand(words * 200_000, make_passage("Ab US aa A U S"), frozenset()) in (True, False)

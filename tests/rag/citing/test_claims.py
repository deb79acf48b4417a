import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.rag.citing.claims import parse_claims


def parsed(answer):
    return [(claim.text, claim.cited) for claim in parse_claims(answer)]


@pytest.mark.parametrize(
    ("answer", "claims"),
    [
        ("", []),
        ("No markers here. [sic] [2015] [a]", []),
        ("[1]", []),
        ("Water is safe [1].", [("Water is safe.", (1,))]),
        ("Water is safe.[1] It stands. [2]", [("Water is safe.", (1,)), ("It stands.", (2,))]),
        ("Water is safe [1][2] [3].", [("Water is safe.", (1, 2, 3))]),
        ("Water is safe [1, 2; 4].", [("Water is safe.", (1, 2, 4))]),
        ("Water is safe [2-4, 1, 2].", [("Water is safe.", (2, 3, 4, 1))]),
        ("Water is safe [1-999] and [0].", [("Water is safe and.", (1, 999)), ("Water is safe and.", (0,))]),
        ("Water is safe 【2†source】.", [("Water is safe.", (2,))]),
        ("One. Two. [1]", [("Two.", (1,))]),
        ("[1] says so. [2] says no.", [("says so.", (1,)), ("says no.", (2,))]),
        ("- Boil it [1]\n- Cool it [2]", [("- Boil it", (1,)), ("- Cool it", (2,))]),
        ("Boil it.\n[2] Cool it now.", [("Cool it now.", (2,))]),
        ("According to [1], water boils.", [("According to, water boils.", (1,))]),
        (
            "The red valve holds 5 bar [1] and the blue valve 6 bar [2], as tested.",
            [("The red valve holds 5 bar", (1,)), ("and the blue valve 6 bar, as tested.", (2,))],
        ),
        (
            "甲泵的费用是5欧元[1]，乙泵的费用是6欧元[2]。",
            [("甲泵的费用是5欧元", (1,)), ("，乙泵的费用是6欧元。", (2,))],
        ),
        ("在2019年[1]甲泵的费用是5欧元。", [("在2019年甲泵的费用是5欧元。", (1,))]),
        (
            "It is bleach [1], an oxidiser [2].",
            [("It is bleach, an oxidiser.", (1,)), ("It is bleach, an oxidiser.", (2,))],
        ),
    ],
)
def test_each_marker_belongs_to_its_statement(answer, claims):
    assert parsed(answer) == claims


def test_a_range_names_fifty_passages_at_most():
    assert parsed("Water is safe [1-50].") == [("Water is safe.", tuple(range(1, 51)))]
    assert parsed("Water is safe [1-51].") == [("Water is safe.", (1, 51))]


@pytest.mark.parametrize(
    "answer",
    [
        "Use `rows[1]` here.",
        "Use:\n```\nrows[1]\n```\n",
        "Use:\n```\nrows[1]",
        "See [1](http://example.org).",
        "See [the page][1].",
        "“As shown in [1].”",
        'He said "as in [1]" there.',
        "[1]: http://example.org",
        "All is said.\n\n**Sources:**\n\n- [1] handbook.pdf, page 3\n- [2] b.pdf\n",
    ],
)
def test_code_links_quotes_and_lists_of_sources_hold_no_markers(answer):
    assert parse_claims(answer) == []


def test_a_word_for_sources_in_the_text_hides_nothing():
    assert parsed("Sources\n\nThe river has two springs [1].") == [("The river has two springs.", (1,))]


@pytest.mark.parametrize(
    ("answer", "quotes"),
    [
        ("“Add 8 drops. Stir it.” [1]", ("Add 8 drops. Stir it.",)),
        ('It says "stir" and «wait» [1].', ("stir", "wait")),
        ("„Zehn Tropfen“ [1]", ("Zehn Tropfen",)),
        ("“He said “no [7]” to it.” [1]", ("He said “no [7]” to it.",)),
        ('A 5" pipe and a 6" pipe [1].', ()),
        ("An “open quote [1].", ()),
        ("“open\n\nand a new ” paragraph [1].", ()),
        ('""[1]', ()),
    ],
)
def test_quotes_come_without_their_marks(answer, quotes):
    assert [claim.quotes for claim in parse_claims(f"{answer}\n")] == [quotes]


def test_neighbouring_quotes_keep_their_own_markers():
    assert parsed("“Add it. Stir it.” [2]\n“Let it stand.” [1]") == [
        ("“Add it. Stir it.”", (2,)),
        ("“Let it stand.”", (1,)),
    ]


@given(
    st.lists(
        st.sampled_from(["Water is", " safe", ".", " ", "\n", "[1]", "[2, 3]", "“", "”", '"', "`", "[", "]", "(", "5"])
    )
)
def test_any_text_parses_and_every_claim_cites(pieces):
    answer = "".join(pieces)
    for claim in parse_claims(answer):
        assert claim.cited
        assert set(claim.cited) <= {1, 2, 3, 5, 15}
        assert all(quote in claim.text for quote in claim.quotes)


def test_long_runs_of_marks_take_linear_time():
    claims = parse_claims("[1]" * 5_000 + "“" * 5_000 + "`" * 5_001 + "\n[" * 5_000 + "word. " * 5_000)
    assert {number for claim in claims for number in claim.cited} <= {1}


@pytest.mark.parametrize("mark", ["```", "~~~", "`", "``"])
def test_code_marks_inside_quotes_hide_no_marker(mark):
    assert parsed(f"“A {mark} fence.” [1]\n“No fence.” [2]\nUse {mark}rows[3]{mark} [4].") == [
        (f"“A {mark} fence.”", (1,)),
        ("“No fence.”", (2,)),
        (f"Use {mark}rows[3]{mark}.", (4,)),
    ]


def test_quote_marks_inside_code_hide_no_marker():
    assert parsed("Write `say “x` here [1]. It ends ” there [2].") == [
        ("Write `say “x` here.", (1,)),
        ("It ends ” there.", (2,)),
    ]


@pytest.mark.parametrize("quote", ["“As in [1].”", "«As in [1].»", "「As in [1].」", "『As in [1].』", '"As in [1]."'])
def test_every_kind_of_quote_marks_is_read(quote):
    (claim,) = parse_claims(f"{quote} [2]")
    assert (claim.quotes, claim.cited) == (("As in [1].",), (2,))


@pytest.mark.timeout(20)
def test_a_heading_for_sources_takes_linear_time():
    assert parse_claims("sources" + " " * 300_000 + "x") == []

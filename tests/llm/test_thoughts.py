import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.llm import ThoughtCutter, without_thought


def cut(*pieces):
    cutter = ThoughtCutter()
    return "".join([*map(cutter.feed, pieces), cutter.finish()])


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("80 degrees.", "80 degrees."),
        ("<think>Tea. Hot?</think>80 degrees.", "80 degrees."),
        ("<think>\nTea.\n</think>\n\n80 degrees.\n", "80 degrees.\n"),
        ("\n <THINK>Tea.</Think>80 degrees.", "80 degrees."),
        ("<think>İİİ</think>80 degrees.", "80 degrees."),  # a letter that is two in lower case
        ("<think></think><think>again</think> 80 degrees.", "80 degrees."),
        ("<think>a < b </thin </think>80 degrees.", "80 degrees."),
        ("<think>Tea, and then the limit", ""),
        ("<think>Tea.</think>", ""),
        ("  80 degrees.", "  80 degrees."),
        ("<thin", "<thin"),
        ("<thinker> is no thought", "<thinker> is no thought"),
        ("80 degrees <think>is text</think> here", "80 degrees <think>is text</think> here"),
        ("", ""),
    ],
)
def test_thought_is_left_out_however_the_pieces_are_cut(reply, answer):
    assert cut(reply) == answer
    assert cut(*reply) == answer
    for size in (2, 3, 7):
        assert cut(*(reply[at : at + size] for at in range(0, len(reply), size))) == answer


def test_many_thoughts_take_no_time():
    assert cut("<think></think>" * 60_000 + "80 degrees.") == "80 degrees."


def test_answer_is_not_held_back():
    cutter = ThoughtCutter()
    assert [cutter.feed(it) for it in ("<think>Tea", ".</think>", "80", " degrees")] == ["", "", "80", " degrees"]
    assert cutter.has_cut


@given(st.lists(st.sampled_from(["<think>", "</think>", "<th", "ink>", "</th", "<", "80", " ", "\n"]), max_size=9))
def test_pieces_give_what_the_whole_gives(pieces):
    assert cut(*pieces) == cut("".join(pieces))


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("correct", "correct"),
        ("<think>Is it?</think>correct", "correct"),
        ("Is it? Yes.</think>correct", "correct"),
        ("<think>Is it", ""),
    ],
)
def test_whole_reply_without_its_thought(reply, answer):
    assert without_thought(reply) == answer

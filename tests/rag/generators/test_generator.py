import pytest
from lateral.errors import InvalidArgumentError
from lateral.rag.generators.extractive import ExtractiveGenerator
from lateral.rag.generators.generator import Generator, ScriptedGenerator

MESSAGES = [{"role": "user", "content": "Hi"}]


def test_replies_come_in_order_in_small_pieces_and_the_messages_are_kept():
    generator = ScriptedGenerator(["seven c", "two"], piece_chars=3)
    assert list(generator.generate(MESSAGES)) == ["sev", "en ", "c"]
    assert list(generator.generate([])) == ["two"]
    assert generator.calls == [MESSAGES, []]


def test_a_call_is_recorded_before_its_pieces_are_read():
    generator = ScriptedGenerator(["a"])
    generator.generate(MESSAGES)
    assert generator.calls == [MESSAGES]


def test_an_empty_reply_has_no_pieces():
    assert list(ScriptedGenerator([""]).generate(MESSAGES)) == []


def test_a_call_too_many_is_an_error():
    with pytest.raises(InvalidArgumentError, match="has 0 replies"):
        ScriptedGenerator([]).generate(MESSAGES)


def test_pieces_have_at_least_one_character():
    with pytest.raises(InvalidArgumentError, match="piece_chars must be a whole number of at least 1, got 0"):
        ScriptedGenerator(["a"], piece_chars=0)


@pytest.mark.parametrize("generator", [ScriptedGenerator([]), ExtractiveGenerator()])
def test_every_generator_meets_the_contract(generator):
    assert isinstance(generator, Generator)

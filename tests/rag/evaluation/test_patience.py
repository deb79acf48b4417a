import time
from contextlib import suppress

import pytest
from lateral.errors import (
    ChatModelRefusedError,
    ChatModelTimeoutError,
    ChatModelUnavailableError,
    ChatModelUnreachableError,
)
from lateral.rag.evaluation.patience import COOL_DOWNS, Patience

COOL_DOWN = 0.02


def failing(*errors):
    """Raises the errors in turn, and answers then."""
    left = list(errors)

    def call():
        if left:
            raise left.pop(0)
        return "reply"

    return call


def away(count):
    return [ChatModelUnavailableError("away")] * count


def test_a_cool_down_is_waited_for_each_time():
    start = time.monotonic()
    assert Patience(COOL_DOWN).ask(failing(*away(COOL_DOWNS))) == "reply"
    assert time.monotonic() - start >= COOL_DOWNS * COOL_DOWN


def test_what_stays_away_is_left_and_waited_for_no_more_until_it_answers():
    patience = Patience(COOL_DOWN)
    with pytest.raises(ChatModelUnavailableError, match="away"):
        patience.ask(failing(*away(COOL_DOWNS + 1)))
    assert patience.spent
    with pytest.raises(ChatModelUnavailableError, match="away"):
        patience.ask(failing(*away(1)))
    assert patience.ask(failing()) == "reply"
    assert not patience.spent
    assert patience.ask(failing(*away(COOL_DOWNS))) == "reply", "the waits are there again"


def test_outages_add_up_over_calls_that_end_otherwise():
    patience = Patience(COOL_DOWN)
    for _ in range(COOL_DOWNS):
        with pytest.raises(ChatModelTimeoutError, match="slow"):
            patience.ask(failing(*away(1), ChatModelTimeoutError("slow")))
    with pytest.raises(ChatModelUnavailableError, match="away"):
        patience.ask(failing(*away(1)))


def test_a_refusal_is_no_outage():
    patience = Patience(60.0)
    with pytest.raises(ChatModelRefusedError, match="wrong key"):
        patience.ask(failing(ChatModelRefusedError("wrong key")))
    assert not patience.spent


def unreached(count):
    return [ChatModelUnreachableError("no connection")] * count


@pytest.mark.timeout(20)
def test_a_server_that_was_never_reached_is_not_waited_for():
    patience = Patience(60.0)
    for call in (failing(*unreached(1)), failing(*unreached(1)), failing(*away(1))):  # the last: the breaker's
        with pytest.raises(ChatModelUnavailableError, match=r"no connection|away"):
            patience.ask(call)
        assert patience.spent
    assert patience.ask(failing()) == "reply"
    assert not patience.spent


@pytest.mark.parametrize("sign", [*away(1), ChatModelRefusedError("too long"), ChatModelTimeoutError("slow")])
def test_a_server_that_was_there_is_waited_for_when_it_can_not_be_reached(sign):
    patience, call = Patience(COOL_DOWN), failing(sign, *unreached(COOL_DOWNS - 1))
    with suppress(ChatModelRefusedError, ChatModelTimeoutError):
        patience.ask(call)
    assert patience.ask(call) == "reply"

"""The client for chat models against a real server that stalls, lies, breaks off or is away."""

import openai_server as wire
import pytest
from chat_clients import MESSAGES, QUICK, SLACK, UNHURRIED, timed
from lateral.errors import (
    ChatModelError,
    ChatModelRefusedError,
    ChatModelReplyError,
    ChatModelTimeoutError,
    ChatModelUnavailableError,
    ChatModelUnreachableError,
)
from lateral.llm import ChatClient, Deadlines, Retries
from lateral.llm.failures import parse_retry_after


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (wire.stall(), "no answer began within 0.5 s"),
        (wire.stall(headers=True), "no answer began within 0.5 s"),
        (wire.drip_headers(0.1), "no answer began within 0.5 s"),
        (wire.comments(0.1), "no answer began within 0.5 s"),
        (wire.stall_after("The ", "answer"), "nothing for 0.5 s"),
    ],
    ids=["nothing", "headers only", "headers by the byte", "heartbeats", "in the middle"],
)
def test_a_stall_ends_at_its_deadline_and_upstream_too(serve, step, says):
    server, client = serve(step)
    err, seconds = timed(lambda: list(client.stream(MESSAGES)))
    assert isinstance(err, ChatModelTimeoutError)
    assert says in str(err)
    assert 0.45 <= seconds < 0.5 + SLACK
    assert len(server.requests) == 1
    server.wait_until_left(1.0)


def test_a_slow_drip_ends_at_the_deadline_for_the_whole_answer(serve):
    _, client = serve(wire.stream(*"abcdefghijklmnop", pause=0.2), deadlines=Deadlines(1, 0.5, 0.5, 1.0))
    pieces = []
    err, seconds = timed(lambda: pieces.extend(client.stream(MESSAGES)))
    assert isinstance(err, ChatModelTimeoutError)
    assert "not whole within 1 s" in str(err)
    assert seconds < 1.0 + SLACK


def test_the_deadline_for_the_whole_answer_holds_over_all_attempts(serve):
    _, client = serve(default=wire.status(500), deadlines=Deadlines(1, 1, 1, 1.0), retries=Retries(50, 0.2, 0.2, 100))
    err, seconds = timed(lambda: list(client.stream(MESSAGES)))
    assert isinstance(err, ChatModelError)
    assert seconds < 1.0 + SLACK


def test_a_whole_answer_that_stalls_ends_at_its_deadline(serve):
    _, client = serve(wire.stall(), deadlines=Deadlines(1, 0.2, 0.2, 0.7))
    err, seconds = timed(lambda: client.complete(MESSAGES))
    assert isinstance(err, ChatModelTimeoutError)
    assert 0.6 < seconds < 0.7 + SLACK


@pytest.mark.parametrize("code", [408, 409, 429, 500, 502, 503, 529])
def test_what_may_pass_is_tried_again(serve, code):
    server, client = serve(wire.status(code))
    assert "".join(client.stream(MESSAGES)) == "Hello world"
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
def test_what_will_not_pass_is_not_tried_again(serve, code):
    server, client = serve(default=wire.status(code, "no such model"))
    for _ in range(6):  # and it opens no breaker: the server is there
        with pytest.raises(ChatModelRefusedError, match=f"the server answered {code}: no such model"):
            list(client.stream(MESSAGES))
    assert len(server.requests) == 6


def test_three_times_500_is_an_error_after_three_attempts(serve):
    server, client = serve(*[wire.status(500, "broken")] * 3)
    with pytest.raises(ChatModelUnavailableError, match="the server answered 500: broken"):
        list(client.stream(MESSAGES))
    assert len(server.requests) == 3


def test_waits_between_attempts_grow_and_jitter(serve):
    server, client = serve(*[wire.status(500)] * 4, retries=Retries(5, 0.1, 1.0, 100), deadlines=Deadlines(1, 1, 1, 9))
    assert "".join(client.stream(MESSAGES)) == "Hello world"
    waits = [later - sooner for sooner, later in zip(server.times, server.times[1:], strict=False)]
    assert [wait >= least for wait, least in zip(waits, (0.1, 0.2, 0.4, 0.8), strict=True)] == [True] * 4


def test_retry_after_is_kept(serve):
    server, client = serve(wire.status(429, Retry_After="2"), deadlines=Deadlines(1, 1, 1, 5))
    assert "".join(client.stream(MESSAGES)) == "Hello world"
    assert 2.0 <= server.times[1] - server.times[0] < 2.25 + SLACK


def test_a_retry_after_past_the_deadline_fails_at_once(serve):
    server, client = serve(wire.status(429, Retry_After="600"))
    err, seconds = timed(lambda: list(client.stream(MESSAGES)))
    assert isinstance(err, ChatModelUnavailableError)
    assert "429" in str(err)
    assert "asks to wait 600 s" in str(err)
    assert seconds < SLACK
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers, seconds):
    assert parse_retry_after(headers) == seconds


def test_a_reset_before_the_first_token_is_tried_again(serve):
    server, client = serve(wire.reset())
    assert "".join(client.stream(MESSAGES)) == "Hello world"
    assert len(server.requests) == 2


def test_after_the_first_token_nothing_is_tried_again(serve):
    server, client = serve(wire.reset("The "))
    stream = client.stream(MESSAGES)
    assert next(stream) == "The "
    with pytest.raises(ChatModelUnavailableError, match="the connection broke off"):
        next(stream)
    assert list(stream) == []
    assert len(server.requests) == 1


def test_a_refused_connection_is_said_after_three_attempts():
    with wire.refusing_url() as url:
        client = ChatClient("stub", base_url=url, retries=QUICK)
        with pytest.raises(ChatModelUnreachableError, match=r"stub at http://127.0.0.1:\d+/v1: no connection"):
            list(client.stream(MESSAGES))
        client.close()


BAD_REPLIES = [
    (wire.events("{broken"), "expected JSON of a chat completion, got '{broken'"),
    (wire.events('"words"'), "expected choices, got 'words'"),
    (wire.events("[1, 2]"), r"expected choices, got \[1, 2\]"),
    (wire.events({"foo": "bar"}), "expected choices, got {'foo': 'bar'}"),
    (wire.events({"choices": []}), "came to its end with no choices"),
    (wire.events({"choices": [{"delta": {"content": [1]}}]}), r"expected text in delta.content, got \[1\]"),
    (wire.events(), "came to its end with no event"),
    (wire.raw("what is this", "text/event-stream"), "came to its end with no event"),
    (wire.stream("cut ", finish=None), "no finish_reason: cut short"),
    (wire.stream(), r"the answer is empty \(finish_reason 'stop'\)"),
    (wire.raw("<html>Log in</html>", "text/html"), "expected text/event-stream, got text/html: '<html>Log in"),
    (wire.whole("whole"), "expected text/event-stream, got application/json"),
    (wire.raw("x" * 100_000, "text/plain"), "got text/plain: 'xxx"),
    (wire.events({"choices": [{"delta": {"content": "x" * 1_000_001}}]}), "goes on past 1,000,000 characters"),
]


@pytest.mark.parametrize(("step", "says"), BAD_REPLIES)
def test_what_is_no_answer_is_named_with_what_came_bounded(serve, step, says):
    server, client = serve(step, deadlines=UNHURRIED)
    with pytest.raises(ChatModelReplyError, match=says) as caught:
        list(client.stream(MESSAGES))
    assert len(str(caught.value)) < 300
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (wire.raw("{broken", "application/json"), "expected JSON of a chat completion, got '{broken'"),
        (wire.raw("[]", "application/json"), r"expected choices, got \[\]"),
        (wire.raw('{"choices": []}', "application/json"), "expected choices, got"),
        (wire.raw('{"choices": [{"message": null}]}', "application/json"), "the answer is empty"),
        (wire.raw("<html>", "text/html"), "expected choices, got '<html>'"),
    ],
)
def test_a_whole_reply_that_is_no_answer_is_named(serve, step, says):
    _, client = serve(step, deadlines=UNHURRIED)
    with pytest.raises(ChatModelReplyError, match=says):
        client.complete(MESSAGES)


def test_an_error_event_before_the_first_token_is_tried_again_and_after_it_raised(serve):
    error = {"error": {"message": "overloaded"}}
    steps = wire.events(error), wire.events({"choices": [{"delta": {"content": "a"}}]}, error)
    server, client = serve(*steps, deadlines=UNHURRIED)
    stream = client.stream(MESSAGES)
    assert next(stream) == "a"
    with pytest.raises(ChatModelUnavailableError, match="the server reports an error: overloaded"):
        next(stream)
    assert len(server.requests) == 2


def test_a_stall_behind_the_last_word_is_no_failure(serve):
    def step(exchange):
        exchange.head()
        exchange.chunk("done")
        exchange.chunk(finish="length")
        exchange.gone(wire.FOREVER)

    _, client = serve(step, deadlines=Deadlines(1, 1, 5, 20))
    stream = client.stream(MESSAGES)
    text, seconds = timed(lambda: "".join(stream))
    assert (text, stream.finish_reason) == ("done", "length")
    assert seconds < 2.0 + SLACK

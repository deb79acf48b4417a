"""The client for chat models against a real server: what it promises when that stalls, lies, breaks off or is away."""

import gc
import logging
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import openai_server as wire
import pytest
from lateral.errors import (
    ChatModelError,
    ChatModelRefusedError,
    ChatModelReplyError,
    ChatModelTimeoutError,
    ChatModelUnavailableError,
    InvalidArgumentError,
)
from lateral.llm import ChatClient, Deadlines, Retries, Usage
from lateral.llm.breaker import Breaker
from lateral.llm.failures import parse_retry_after, shown_url
from openai_server import OpenAIServer

KEY = "sk-canary-0123456789abcdef"
MESSAGES = [{"role": "user", "content": "Hi"}]
SHORT = Deadlines(connect=1.0, first_byte=0.5, between_chunks=0.5, whole=2.0)
QUICK = Retries(first_wait=0.05, longest_wait=0.1)
SLACK = 0.4  # seconds that a busy machine may add to a deadline


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def serve():
    """A factory of servers, with a client each."""
    opened = []

    def make(*script, default=None, deadlines=SHORT, retries=QUICK, **options):
        server = OpenAIServer(*script, default=default)
        client = ChatClient("stub", base_url=server.url, deadlines=deadlines, retries=retries, **options)
        opened.extend([client, server])
        client._connected()  # importing openai is not what these tests time
        return server, client

    yield make
    for it in opened:
        it.close()


def timed(call):
    began = time.monotonic()
    try:
        return call(), time.monotonic() - began
    except ChatModelError as err:
        return err, time.monotonic() - began


def test_a_streamed_answer_comes_in_the_servers_pieces_with_its_token_use(serve):
    server, client = serve(wire.stream("Green ", "tea", " [1].", usage=(12, 5)))
    stream = client.stream(MESSAGES)
    assert list(stream) == ["Green ", "tea", " [1]."]
    assert stream.usage == client.usage == Usage(prompt_tokens=12, completion_tokens=5)
    assert stream.finish_reason == "stop"
    assert server.requests[0]["messages"] == MESSAGES
    assert server.requests[0]["stream_options"] == {"include_usage": True}
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_whole_answer_is_asked_for_in_one_piece(serve):
    server, client = serve(wire.whole("Green tea.", usage=(3, 4)), parameters={"temperature": 0, "top_k": 5})
    assert client.complete(MESSAGES) == "Green tea."
    assert client.usage == Usage(3, 4)
    assert not server.requests[0].get("stream")
    assert (server.requests[0]["temperature"], server.requests[0]["top_k"]) == (0, 5)


def test_the_first_piece_comes_while_the_server_still_writes(serve):
    _, client = serve(wire.stream("a", "b", "c", pause=0.3))
    stream = client.stream(MESSAGES)
    _, seconds = timed(lambda: next(stream))
    assert seconds < 0.6
    assert list(stream) == ["b", "c"]


def test_token_use_adds_up_and_a_server_that_does_not_count_is_fine(serve):
    _, client = serve(wire.stream("a", usage=(1, 2)), wire.stream("b"), wire.stream("c", usage=(10, 20)))
    assert ["".join(client.stream(MESSAGES)) for _ in range(3)] == ["a", "b", "c"]
    assert client.usage == Usage(11, 22)


def test_a_server_that_refuses_stream_options_is_asked_without_and_this_is_remembered(serve):
    server, client = serve(wire.status(400, "unrecognized request argument: stream_options"))
    assert "".join(client.stream(MESSAGES)) == "Hello world"
    assert "".join(client.stream(MESSAGES)) == "Hello world"
    assert ["stream_options" in it for it in server.requests] == [True, False, False]


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
        with pytest.raises(ChatModelUnavailableError, match=r"stub at http://127.0.0.1:\d+/v1: no connection"):
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
    server, client = serve(step)
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
    _, client = serve(step)
    with pytest.raises(ChatModelReplyError, match=says):
        client.complete(MESSAGES)


def test_an_error_event_before_the_first_token_is_tried_again_and_after_it_raised(serve):
    error = {"error": {"message": "overloaded"}}
    server, client = serve(wire.events(error), wire.events({"choices": [{"delta": {"content": "a"}}]}, error))
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


def leave_by_closing(stream):
    stream.close()


def leave_by_dropping(stream):
    """The caller's only reference goes with its frame."""


@pytest.mark.parametrize("leave", [leave_by_closing, leave_by_dropping])
def test_a_reader_that_leaves_ends_the_request_upstream_within_a_second(serve, leave):
    server, client = serve(wire.stall_after("a"), deadlines=Deadlines(1, 10, 10, 20))

    def read_one_and_leave():
        stream = client.stream(MESSAGES)
        assert next(stream) == "a"
        leave(stream)

    read_one_and_leave()
    gc.collect()
    left = time.monotonic()
    assert server.wait_until_left() - left < 1.0


def test_a_reader_that_waits_is_woken_by_a_close_from_another_thread(serve):
    server, client = serve(wire.stall(), deadlines=Deadlines(1, 10, 10, 20))
    stream = client.stream(MESSAGES)
    threading.Timer(0.2, stream.close).start()
    pieces, seconds = timed(lambda: list(stream))
    assert pieces == []
    assert seconds < 1.0
    server.wait_until_left(1.0)


def test_closing_the_client_ends_its_calls_and_it_can_be_used_again(serve):
    server, client = serve(wire.stall_after("a"), deadlines=Deadlines(1, 10, 10, 20))
    stream = client.stream(MESSAGES)
    assert next(stream) == "a"
    client.close()
    server.wait_until_left(1.0)
    assert list(stream) == []
    assert "".join(client.stream(MESSAGES)) == "Hello world"


def test_a_dropped_client_leaves_no_thread_behind(serve):
    def threads():
        return [it for it in threading.enumerate() if it.name == "lateral-llm"]

    before = len(threads())
    with OpenAIServer() as server:
        client = ChatClient("stub", base_url=server.url)
        assert "".join(client.stream(MESSAGES)) == "Hello world"
        assert len(threads()) == before + 1
        del client
        gc.collect()
        assert len(threads()) == before


def test_threads_share_a_client(serve):
    server, client = serve(default=wire.stream("a", "b", usage=(1, 1), pause=0.05))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: "".join(client.stream(MESSAGES)), range(64)))
    assert answers == ["ab"] * 64
    assert client.usage == Usage(64, 64)
    assert len(server.requests) == 64


def test_a_server_that_keeps_failing_is_left_alone_then_probed_once(serve):
    retries = Retries(attempts=1, give_up_after=3, cool_down=0.6)
    server, client = serve(*[wire.status(500)] * 3, default=wire.stream("ok", pause=0.2), retries=retries)
    for _ in range(3):
        timed(lambda: list(client.stream(MESSAGES)))
    err, seconds = timed(lambda: client.stream(MESSAGES))
    assert isinstance(err, ChatModelUnavailableError)
    assert "not asked, since the last 3 attempts failed" in str(err)
    assert seconds < 0.05
    assert len(server.requests) == 3
    time.sleep(0.65)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: timed(lambda: "".join(client.stream(MESSAGES)))[0], range(8)))
    assert sum(answer == "ok" for answer in answers) == 1
    assert len(server.requests) == 4
    assert "".join(client.stream(MESSAGES)) == "ok"


def test_the_breaker_opens_probes_and_closes():
    now = [0.0]
    breaker = Breaker(threshold=2, cool_down=10, clock=lambda: now[0])
    assert [breaker.failed(), breaker.enter(), breaker.failed(), breaker.enter()] == [False, 0, True, 10]
    now[0] = 10.0
    assert breaker.enter() == 0  # the probe
    assert breaker.enter() > 0
    breaker.left()
    assert breaker.enter() == 0  # another, since the first was given up
    breaker.failed()
    assert breaker.enter() == 10
    now[0] = 20.0
    assert breaker.enter() == 0
    breaker.alive()
    assert [breaker.enter(), breaker.enter()] == [0, 0]
    assert breaker.failed()  # one failure is enough so soon after
    now[0] = 30.0
    assert breaker.enter() == 0
    breaker.succeeded()
    assert [breaker.failed(), breaker.enter()] == [False, 0]


def test_no_log_repr_or_error_shows_the_key(serve, caplog):
    caplog.set_level(logging.DEBUG)
    echo = f"Incorrect API key provided: {KEY}."
    steps = [
        wire.status(401, echo),
        wire.status(500, echo),
        wire.status(500, echo),
        wire.status(500, echo),
        wire.events({"error": {"message": echo}}),
        wire.events({"error": {"message": echo}}),
        wire.events({"error": {"message": echo}}),
        wire.raw(echo, "text/html"),
        wire.events({"foo": echo}),
        wire.events({"choices": [{"delta": {"content": [echo]}}]}),
        wire.events("{" + echo),
        wire.stall(),
    ]
    server, client = serve(*steps, retries=Retries(3, 0.01, 0.02, 1_000))
    shown = [repr(client), str(client), repr(client._secret), repr(client._connected())]
    while server.script:
        err, _ = timed(lambda: list(client.stream(MESSAGES)))
        assert isinstance(err, ChatModelError)
        assert err.__cause__ is err.__context__ is None  # openai's hold the request
        shown += [str(err), repr(err), *map(str, err.args)]
    assert all(KEY in headers["authorization"] for headers in server.headers)
    assert "***" in "".join(shown)
    assert KEY not in "".join(shown)
    assert caplog.text.count("openai") > 3
    assert KEY not in caplog.text
    assert all(KEY not in str(record.__dict__) for record in caplog.records)
    with pytest.raises(TypeError, match="a key is not pickled"):
        pickle.dumps(client._secret)


def test_a_url_is_shown_without_what_may_be_secret():
    assert shown_url("https://me:pw@host:8/v1/?key=s#f") == "https://host:8/v1"
    assert "pw" not in repr(ChatClient("stub", base_url="https://me:pw@host/v1"))


def test_a_key_is_needed_where_the_server_is_not_ones_own(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(InvalidArgumentError, match="no API key: set the environment variable OPENAI_API_KEY"):
        ChatClient("gpt")
    with pytest.raises(InvalidArgumentError, match="set the environment variable MY_KEY"):
        ChatClient("gpt", base_url="http://localhost/v1", api_key_env="MY_KEY")
    ChatClient("gpt", base_url="http://localhost/v1")


def test_a_named_variable_holds_the_key(serve, monkeypatch):
    monkeypatch.setenv("MY_KEY", "other-key")
    server, client = serve(api_key_env="MY_KEY")
    assert client.complete(MESSAGES) == "Hello world"
    assert server.headers[0]["authorization"] == "Bearer other-key"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ChatClient(" "), "model must name a chat model, got ' '"),
        (lambda: ChatClient("m", base_url="localhost:8000"), "base_url must be such as"),
        (lambda: Deadlines(connect=0), "connect must be a number of seconds above 0, got 0"),
        (lambda: Deadlines(whole=float("inf")), "whole must be a number of seconds above 0, got inf"),
        (lambda: Retries(attempts=0), "attempts must be a whole number of at least 1, got 0"),
    ],
)
def test_settings_are_checked_when_they_are_given(make, says):
    with pytest.raises(InvalidArgumentError, match=says):
        make()


def test_the_defaults_are_seconds():
    assert Deadlines() == Deadlines(connect=3, first_byte=15, between_chunks=20, whole=60)

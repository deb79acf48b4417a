"""Keys, addresses and settings: what is checked when they are given, and what is never shown."""

import logging
import pickle

import openai_server as wire
import pytest
from chat_clients import KEY, MESSAGES, timed
from lateral.errors import (
    ChatModelError,
    InvalidArgumentError,
)
from lateral.llm import ChatClient, Deadlines, Retries
from lateral.llm.failures import shown_url


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
    assert shown_url("https://me:pw@[host?key=s#f") == "[host"
    assert shown_url("localhost:8000/v1") == "localhost:8000/v1"
    assert shown_url("me:pw@127.0.0.1:8911/v1?key=s") == "127.0.0.1:8911/v1"
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
        (lambda: ChatClient("m", base_url="http://[bad"), r"base_url must be such as .* got 'http://\[bad'"),
        (lambda: ChatClient("m", base_url="http://localhost:abc/v1"), "base_url must be such as"),
        (lambda: ChatClient("m", base_url="http://localhost:70000/v1"), "base_url must be such as"),
        (lambda: ChatClient("m", base_url="http://local host/v1"), "base_url must be such as"),
        (lambda: ChatClient("m", base_url="http://localhost/\x1b[31m"), "base_url must be such as"),
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

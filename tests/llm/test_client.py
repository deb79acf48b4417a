"""The client for chat models against a real server: streams, token use, threads, and readers that leave."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import openai_server as wire
import pytest
from chat_clients import KEY, MESSAGES, timed
from lateral.errors import (
    ChatModelUnavailableError,
)
from lateral.llm import ChatClient, Deadlines, Retries, Usage
from openai_server import OpenAIServer


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

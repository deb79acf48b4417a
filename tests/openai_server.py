"""A real HTTP server on the loopback that speaks the wire format of OpenAI's chat completions, scripted by request."""

import json
import select
import socket
import struct
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOREVER = 30.0  # seconds: far past every deadline in the tests
LOOK_EVERY = 0.02


class OpenAIServer:
    """Answers each request by the next step of its script, and by `default` when the script is through.

    A step is called with the request's `Exchange`. `requests` are the bodies that came, `headers` their headers (names
    in lower case), and `left` the moments (time.monotonic) at which a client was seen to be gone in mid-answer.
    """

    def __init__(self, *script, default=None):
        self.script = list(script)
        self.default = default or stream("Hello", " world", usage=(7, 2))
        self.requests, self.headers, self.paths, self.times, self.left = [], [], [], [], []
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def next_step(self):
        with self._lock:
            return self.script.pop(0) if self.script else self.default

    def wait_until_left(self, seconds=5.0):
        """Returns the moment at which the first client was seen to be gone."""
        end = time.monotonic() + seconds
        while not self.left and time.monotonic() < end:
            time.sleep(0.005)
        assert self.left, "no client left"
        return self.left[0]

    def close(self):
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Clients that go away are the point of these tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        owner = self.server.owner
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        owner.requests.append(body)
        owner.headers.append({name.lower(): value for name, value in self.headers.items()})
        owner.paths.append(self.path)
        owner.times.append(time.monotonic())
        owner.next_step()(Exchange(self, body))

    def log_message(self, *args):
        """Nothing."""


class Exchange:
    """One request and the means to answer it, well or badly."""

    def __init__(self, handler, body):
        self.handler = handler
        self.body = body
        self.connection = handler.connection

    def head(self, status=200, content_type="text/event-stream", **headers):
        self.handler.send_response(status)
        self.handler.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.send_header("Connection", "close")
        self.handler.end_headers()
        self.handler.wfile.flush()
        self.handler.close_connection = True

    def send(self, data):
        self.handler.wfile.write(data if isinstance(data, bytes) else data.encode())
        self.handler.wfile.flush()

    def event(self, data):
        self.send(f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n")

    def chunk(self, text=None, finish=None, **delta):
        given = {**delta, **({} if text is None else {"content": text})}
        choices = [{"index": 0, "delta": given, "finish_reason": finish}]
        self.event({**ENVELOPE, "object": "chat.completion.chunk", "choices": choices})

    def gone(self, seconds):
        """Waits; returns whether the client went away meanwhile, and notes when."""
        owner = self.handler.server.owner
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not owner.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], min(left, LOOK_EVERY))
            try:
                if readable and not self.connection.recv(1, socket.MSG_PEEK):
                    owner.left.append(time.monotonic())
                    return True
            except OSError:
                owner.left.append(time.monotonic())
                return True
        return owner.stopping.is_set()

    def reset(self):
        """Ends the connection with a reset, not a farewell."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handler.close_connection = True
        self.connection.close()


ENVELOPE = {"id": "chatcmpl-1", "created": 1, "model": "stub"}


def stream(*pieces, usage=None, finish="stop", pause=0.0, done=True):
    """The pieces as a stream, with a role first, as OpenAI sends it."""

    def step(exchange):
        if not exchange.body.get("stream"):
            return whole("".join(pieces), usage=usage, finish=finish)(exchange)
        exchange.head()
        exchange.chunk("", role="assistant")
        for piece in pieces:
            if pause and exchange.gone(pause):
                return None
            exchange.chunk(piece)
        if finish:
            exchange.chunk(finish=finish)
        if usage and exchange.body.get("stream_options", {}).get("include_usage"):
            exchange.event({**ENVELOPE, "choices": [], "usage": _usage(usage)})
        if done:
            exchange.event("[DONE]")
        return None

    return step


def whole(text, *, usage=None, finish="stop"):
    """The answer in one piece."""
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    reply = {**ENVELOPE, "object": "chat.completion", "choices": choices}
    return raw(json.dumps({**reply, **({"usage": _usage(usage)} if usage else {})}), "application/json")


def answering(write):
    """What `write` makes of the request's messages, streamed in pieces of three characters."""

    def step(exchange):
        text = write(exchange.body["messages"])
        stream(*(text[at : at + 3] for at in range(0, len(text), 3)))(exchange)

    return step


def status(code, message="no", **headers):
    """An error in OpenAI's shape."""
    body = json.dumps({"error": {"message": message, "type": "stub", "code": None}})
    return raw(body, "application/json", code=code, **headers)


def raw(body, content_type, *, code=200, **headers):
    """Any body at all."""

    def step(exchange):
        exchange.head(code, content_type, **headers)
        exchange.send(body)

    return step


def events(*data):
    """Any events at all, then the end of the connection."""

    def step(exchange):
        exchange.head()
        for it in data:
            exchange.event(it)

    return step


def stall(*, headers=False):
    """Nothing comes: not even headers, or nothing behind them."""

    def step(exchange):
        if headers:
            exchange.head()
        exchange.gone(FOREVER)
        exchange.handler.close_connection = True

    return step


def stall_after(*pieces):
    """Some text, then nothing."""

    def step(exchange):
        exchange.head()
        for piece in pieces:
            exchange.chunk(piece)
        exchange.gone(FOREVER)

    return step


def drip_headers(pause):
    """One byte of a header at a time, without end: every read succeeds in time, and nothing ever comes."""

    def step(exchange):
        exchange.send("HTTP/1.1 200 OK\r\n")
        exchange.handler.close_connection = True
        while not exchange.gone(pause):
            exchange.send("X")

    return step


def comments(pause):
    """Heartbeats, and never a word."""

    def step(exchange):
        exchange.head()
        while not exchange.gone(pause):
            exchange.send(": still here\n\n")

    return step


def reset(*pieces):
    """A reset, after some text or before anything."""

    def step(exchange):
        if pieces:
            exchange.head()
            for piece in pieces:
                exchange.chunk(piece)
            exchange.gone(0.1)  # a reset overtakes what was sent
        exchange.reset()

    return step


def _usage(counts):
    return {"prompt_tokens": counts[0], "completion_tokens": counts[1], "total_tokens": sum(counts)}


@contextmanager
def refusing_url():
    """A port that nobody listens on, and nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"

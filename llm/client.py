"""The one client for chat models: deadlines, retries, a breaker, token use; any server that speaks OpenAI's format."""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import ChatModelTimeoutError, ChatModelUnavailableError, InvalidArgumentError
from .breaker import Breaker
from .calls import Call, End, Line, Meter, Policy
from .failures import Secret, shown_url
from .messages import Turn
from .settings import Deadlines, Retries, Usage

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["ChatClient", "ChatStream", "Deadlines", "Retries", "Usage"]

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
GRACE = 5.0  # seconds past every deadline after which the loop's thread must be dead


class ChatClient:
    """Asks one chat model on one server. Threads share a client; it connects at the first call.

    The key is read from the environment and never shown. An attempt is repeated after a connect error, 408, 409, 429 or
    5xx, and only before the first token; `Retry-After` is kept where the deadline allows, else the call fails at once.

    Args:
        model: The model's name on the server.
        base_url: The server, such as "http://localhost:8000/v1". None: $OPENAI_BASE_URL, or api.openai.com.
        api_key_env: The variable of the environment that holds the key. A server of your own may need none.
        deadlines: None for the defaults of `Deadlines`.
        retries: None for the defaults of `Retries`.
        parameters: Further fields of every request, such as {"temperature": 0}.

    Raises:
        InvalidArgumentError: No model is named, the URL is none, or there is no key and the server needs one.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key_env: str = KEY_VARIABLE,
        deadlines: Deadlines | None = None,
        retries: Retries | None = None,
        parameters: Mapping[str, object] | None = None,
    ) -> None:
        if not isinstance(model, str) or not model.strip():
            raise InvalidArgumentError(f"model must name a chat model, got {model!r:.80}")
        self.model = model
        self.deadlines = deadlines or Deadlines()
        self.retries = retries or Retries()
        self._url = _checked_url(base_url or os.environ.get(URL_VARIABLE) or None)
        self._parameters = dict(parameters or {})
        self._secret = _read_key(api_key_env, needed=self._url is None or api_key_env != KEY_VARIABLE)
        self._breaker = Breaker(threshold=self.retries.give_up_after, cool_down=self.retries.cool_down)
        self._meter = Meter()
        self._lock = threading.Lock()
        self._line: Line | None = None

    def stream(self, messages: Sequence[Turn]) -> ChatStream:
        """Returns the answer's text as it comes; the request is on its way when this returns.

        Args:
            messages: The chat's turns, each with "role" and "content": a text, or parts (see `image_part`).

        Raises:
            ChatModelUnavailableError: The server failed repeatedly, and its time to cool down is not over.
        """
        return self._call(messages, streamed=True)

    def complete(self, messages: Sequence[Turn]) -> str:
        """Returns the whole answer, asked for in one piece: only the deadlines `connect` and `whole` apply.

        Args:
            messages: The chat's turns, each with "role" and "content": a text, or parts (see `image_part`).

        Raises:
            ChatModelError: There is no answer; its subclasses say why.
        """
        return "".join(self._call(messages, streamed=False))

    @property
    def usage(self) -> Usage:
        """The tokens of every call so far."""
        return self._meter.usage

    def close(self) -> None:
        """Ends the calls that run and closes the connections; the next call opens them again."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            line.loop.stop()

    def __repr__(self) -> str:
        return f"ChatClient({self.model!r}, base_url={shown_url(self._url or '') or None!r})"

    def _call(self, messages: Sequence[Turn], *, streamed: bool) -> ChatStream:
        turns = [dict(message) for message in messages]
        left = self._breaker.enter()
        if left:
            raise ChatModelUnavailableError(
                f"{self.model}: not asked, since the last {self._breaker.failures} attempts failed; "
                f"the next is made in {left:.1f} s"
            )
        try:
            line = self._connected()
        except BaseException:
            self._breaker.left()
            raise
        call = Call(turns, streamed)
        return ChatStream(self, call, line.loop.start(line.run(call)))

    def _connected(self) -> Line:
        with self._lock:
            if self._line is None or self._line.pid != os.getpid():  # a fork takes no threads along
                line = Line(
                    self.model,
                    base_url=self._url,
                    secret=self._secret,
                    policy=Policy(self.deadlines, self.retries, self._breaker, self._meter),
                    parameters=self._parameters,
                )
                weakref.finalize(self, line.loop.stop)
                self._line = line
            return self._line


class ChatStream(Iterator[str]):
    """Yields an answer's text in the server's pieces. Made by `ChatClient.stream`.

    `close()`, from any thread, ends the request upstream; so does dropping the last reference.

    Args:
        client: Kept alive as long as its answer is read.
        call: What the loop's thread writes to.
        future: The loop's work on it.
    """

    def __init__(self, client: ChatClient, call: Call, future: Future[None]) -> None:
        self._client = client
        self._shared = call
        self._future = future
        self._ended = False

    def __next__(self) -> str:
        if self._ended:
            raise StopIteration
        try:
            item = self._shared.pieces.get(timeout=self._client.deadlines.whole + GRACE)
        except queue.Empty:
            self.close()
            raise ChatModelTimeoutError(f"{self._client.model}: no sign of life from the client's own thread") from None
        if self._ended:  # closed while we waited
            raise StopIteration
        if isinstance(item, str):
            return item
        self._ended = True
        if item.error is not None:
            raise item.error
        raise StopIteration

    @property
    def model(self) -> str:
        """The model's name on the server."""
        return self._client.model

    @property
    def usage(self) -> Usage:
        """The tokens of this call, known at its end."""
        return self._shared.usage

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped, in the server's word: "stop", "length" for an answer cut at a limit, ..."""
        return self._shared.finish_reason

    def close(self) -> None:
        """Ends the request upstream; what was not read yet is dropped. It may be called twice."""
        self._ended = True
        self._future.cancel()
        self._shared.pieces.put(End())

    def __del__(self) -> None:
        if not self._ended:
            self.close()


def _checked_url(url: str | None) -> str | None:
    if url is None:
        return None
    if not _is_server(url):
        raise InvalidArgumentError(
            f"base_url must be such as 'http://localhost:8000/v1', http:// included, got {shown_url(url)!r:.80}"
        )
    return url


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number up to 65535
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url


def _read_key(variable: str, *, needed: bool) -> Secret:
    key = os.environ.get(variable, "").strip()
    if not key and needed:
        raise InvalidArgumentError(
            f"no API key: set the environment variable {variable}, or give the base_url of a server that needs none"
        )
    if not key.isascii() or not key.isprintable():
        raise InvalidArgumentError(f"the API key in the environment variable {variable} holds characters no key has")
    return Secret(key)

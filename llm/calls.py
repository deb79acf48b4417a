"""The part of a chat model's call that runs in the loop's thread: attempts, deadlines, and what the server said."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import random
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from ..errors import ChatModelError, ChatModelReplyError, ChatModelTimeoutError, ChatModelUnavailableError
from .breaker import Breaker
from .failures import ChatFailure, Secret, bounded, chat_failure, shown_url
from .loop import LoopThread
from .messages import Content
from .settings import Deadlines, Retries, Usage

__all__ = ["Call", "End", "Line", "Meter", "Policy"]

logger = logging.getLogger(__name__)

NO_KEY = "none"  # servers of one's own ask for no key, and the openai package insists on one
MAX_ANSWER_CHARS = 1_000_000  # ten times the longest output of today's models: a server that never ends is broken
AFTER_THE_END = 2.0  # seconds for the token counts that follow the answer's last word
RETRY_AFTER_JITTER = 0.25  # seconds: those who were told the same time should not come back at the same time
MAX_PEEKED = 2_000  # bytes of a reply that is no answer
EVENT_STREAM = "text/event-stream"
BAD_REQUEST = (400, 422)


@dataclass(frozen=True, slots=True)
class End:
    """The last thing that a reader gets.

    Args:
        error: Why there is no more; None after a whole answer.
    """

    error: ChatModelError | None = None


@dataclass(slots=True)
class Call:
    """What the loop's thread and the reader share of one call. It does not know the client, which may go away.

    Args:
        messages: The chat's turns.
        streamed: Whether the answer is asked for in pieces.
        pieces: What the reader gets, `End` last.
        usage: The tokens, once the server said.
        finish_reason: Why the model stopped, once the server said.
        chars: How long the answer is so far.
        attempts: How often it was tried.
        events: How many events of an answer the running attempt has got.
    """

    messages: list[dict[str, Content]]
    streamed: bool
    pieces: queue.SimpleQueue[str | End] = field(default_factory=queue.SimpleQueue)
    usage: Usage = field(default_factory=Usage)
    finish_reason: str | None = None
    chars: int = 0
    attempts: int = 0
    events: int = 0


class Meter:
    """Adds up tokens from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.usage = Usage()

    def add(self, usage: Usage) -> None:
        """Adds one call's tokens."""
        with self._lock:
            self.usage += usage


@dataclass(frozen=True, slots=True)
class Policy:
    """What the calls of one client share.

    Args:
        deadlines: How long they may take.
        retries: How often they are tried.
        breaker: Whether they may be tried at all.
        meter: Where their tokens are added up.
    """

    deadlines: Deadlines
    retries: Retries
    breaker: Breaker
    meter: Meter


class _AttemptError(Exception):
    """One attempt's failure, on its way to what decides about the next; it never leaves this module."""

    def __init__(self, failure: ChatFailure, *, given_up: bool = False) -> None:
        super().__init__(str(failure.error))
        self.failure = failure
        self.given_up = given_up


class Line:
    """The connections of one client to its server, and the thread that they live in.

    Args:
        model: The model's name on the server.
        base_url: The server; None for that of the openai package.
        secret: The key.
        policy: Deadlines, retries, breaker and meter.
        parameters: Further fields of every request.
    """

    def __init__(
        self, model: str, *, base_url: str | None, secret: Secret, policy: Policy, parameters: Mapping[str, object]
    ) -> None:
        import openai

        self.pid = os.getpid()
        self.loop = LoopThread(self._close)
        self._secret = secret
        self._policy = policy
        self._server = openai.AsyncOpenAI(
            api_key=secret.reveal() or NO_KEY,
            base_url=base_url,
            timeout=openai.Timeout(None, connect=policy.deadlines.connect),  # the rest is `_attempt`'s
            max_retries=0,
        )
        _ = self._server.chat.completions  # imports half of openai: here, not on the clock of the first call
        self._model = model
        self._parameters = dict(parameters)
        self._ask_usage = True
        self.where = f"{model} at {shown_url(str(self._server.base_url))}"

    async def _close(self) -> None:
        await self._server.close()

    async def run(self, call: Call) -> None:
        """Makes the call; whatever happens, its reader gets an `End`."""
        error: ChatModelError | None = None
        began = monotonic()
        try:
            async with asyncio.timeout(self._policy.deadlines.whole):
                await self._attempts(call, began + self._policy.deadlines.whole)
            self._policy.breaker.succeeded()
        except asyncio.CancelledError:
            self._policy.breaker.left()
            raise
        except TimeoutError:
            self._policy.breaker.failed()
            error = ChatModelTimeoutError(f"{self.where}: {self._late(call)}")
        except _AttemptError as err:
            error = err.failure.error
        except Exception as err:  # the reader is another thread: it would wait for ever
            self._policy.breaker.left()
            error = chat_failure(err, where=self.where, secret=self._secret).error
        finally:
            self._policy.meter.add(call.usage)
            call.pieces.put(End(_without_history(error)))
        logger.info(
            "%s: %d tokens read, %d written, %.1f s, %d attempts%s",
            *(self.where, call.usage.prompt_tokens, call.usage.completion_tokens, monotonic() - began, call.attempts),
            "" if error is None else f", failed: {error}",
        )

    async def _attempts(self, call: Call, deadline: float) -> None:
        """Tries until an attempt ends well.

        Raises:
            _AttemptError: One failed that is not to be repeated, or the last.
        """
        import stamina

        retries = self._policy.retries

        def wait(err: Exception) -> bool | float:
            return self._wait(err, call, deadline) if isinstance(err, _AttemptError) else False

        async for attempt in stamina.retry_context(
            on=wait,
            attempts=retries.attempts,
            timeout=None,
            wait_initial=retries.first_wait,
            wait_max=retries.longest_wait,
            wait_jitter=retries.first_wait,
        ):
            with attempt:
                call.attempts += 1
                await self._attempt(call)

    def _wait(self, err: _AttemptError, call: Call, deadline: float) -> bool | float:
        """Returns the seconds to wait before another attempt, True for the usual, False for none."""
        failure = err.failure
        if err.given_up or not failure.retried or call.chars:
            return False
        if failure.retry_after is None:
            return True
        left = deadline - monotonic()
        if failure.retry_after < left:
            return failure.retry_after + random.uniform(0, RETRY_AFTER_JITTER)
        whole = f"{left:.1f} s are left of the answer's {self._policy.deadlines.whole:g} s"
        err.failure = ChatFailure(
            ChatModelUnavailableError(f"{failure.error}; it asks to wait {failure.retry_after:g} s, and {whole}")
        )
        return False

    async def _attempt(self, call: Call) -> None:
        """Tries once. Its deadlines end in an `_AttemptError` too, save the whole call's.

        Raises:
            _AttemptError: It failed.
        """
        call.events = 0
        timer = asyncio.timeout(self._policy.deadlines.first_byte if call.streamed else None)
        try:
            async with timer:
                await (self._stream(call, timer) if call.streamed else self._complete(call))
        except Exception as err:
            if call.finish_reason is None or not call.chars:
                raise self._failed(self._failure(err, call)) from None
            logger.debug("%s: after the answer's end: %s", self.where, type(err).__name__)
        if not call.chars:
            reason = f"the answer is empty (finish_reason {call.finish_reason!r:.40})"
            raise self._failed(ChatFailure(ChatModelReplyError(f"{self.where}: {reason}"), counted=False))

    def _failed(self, failure: ChatFailure) -> _AttemptError:
        """Tells the breaker, and returns what to raise. A wrong key is not the server's fault: it answered."""
        breaker = self._policy.breaker
        if failure.counted:
            return _AttemptError(failure, given_up=breaker.failed())
        breaker.succeeded()
        return _AttemptError(failure)

    def _failure(self, err: Exception, call: Call) -> ChatFailure:
        if isinstance(err, ChatModelError):
            return ChatFailure(err)
        if isinstance(err, TimeoutError):
            return ChatFailure(ChatModelTimeoutError(f"{self.where}: {self._stalled(call)}"))
        return chat_failure(err, where=self.where, secret=self._secret)

    async def _stream(self, call: Call, timer: asyncio.Timeout) -> None:
        now = asyncio.get_running_loop().time
        stream = await self._create(call, {"stream": True})
        try:
            await self._check_kind(stream.response)
            async for event in stream:
                call.events += 1
                self._take(call, event, "delta")
                between = self._policy.deadlines.between_chunks
                timer.reschedule(now() + (min(between, AFTER_THE_END) if call.finish_reason else between))
        finally:
            await stream.close()
        if call.finish_reason is None:
            missing = "event" if not call.events else "finish_reason: cut short" if call.chars else "choices"
            raise ChatModelReplyError(f"{self.where}: the answer came to its end with no {missing}")

    async def _complete(self, call: Call) -> None:
        self._take(call, await self._create(call, {}), "message")
        call.finish_reason = call.finish_reason or "stop"

    async def _create(self, call: Call, fields: dict[str, object]) -> Any:  # noqa: ANN401 - openai's types differ by version
        import openai

        asks = bool(fields) and self._ask_usage
        options = {"stream_options": {"include_usage": True}} if asks else {}
        create: Any = self._server.chat.completions.create
        try:
            return await create(
                model=self._model, messages=call.messages, extra_body=self._parameters, **fields, **options
            )
        except openai.APIStatusError as err:
            if not asks or err.status_code not in BAD_REQUEST or "stream_options" not in str(err.body or err.message):
                raise
        self._ask_usage = False  # older servers refuse the field that they don't know
        return await self._create(call, fields)

    async def _check_kind(self, response: Any) -> None:  # noqa: ANN401 - of httpx or httpx2
        kind = response.headers.get("content-type", EVENT_STREAM)
        if kind.partition(";")[0].strip().lower() == EVENT_STREAM:
            return
        got = await _peek(response.aiter_bytes())
        shown = self._secret.mask(repr(got.decode("utf-8", "replace")))
        raise ChatModelReplyError(f"{self.where}: {bounded(f'expected {EVENT_STREAM}, got {kind}: {shown}')}")

    def _take(self, call: Call, reply: Any, part: str) -> None:  # noqa: ANN401 - whatever the server sent
        """Takes text, finish_reason and usage from a reply, or from one event of it."""
        _take_usage(call, reply)
        choices = getattr(reply, "choices", None)
        if not choices and part == "delta" and (choices == [] or getattr(reply, "usage", None)):
            return  # the event that carries usage, or a filter's verdict
        if not isinstance(choices, list) or not choices:
            got = self._secret.mask(repr(getattr(reply, "model_extra", None) or reply))
            raise ChatModelReplyError(f"{self.where}: {bounded(f'expected choices, got {got}')}")
        text = getattr(getattr(choices[0], part, None), "content", None)
        if not isinstance(text, str | None):
            got = self._secret.mask(repr(text))
            raise ChatModelReplyError(f"{self.where}: {bounded(f'expected text in {part}.content, got {got}')}")
        call.finish_reason = getattr(choices[0], "finish_reason", None) or call.finish_reason
        if text:
            if not call.chars:
                self._policy.breaker.alive()
            call.chars += len(text)
            if call.chars > MAX_ANSWER_CHARS:
                raise ChatModelReplyError(f"{self.where}: the answer goes on past {MAX_ANSWER_CHARS:,} characters")
            call.pieces.put(text)

    def _stalled(self, call: Call) -> str:
        deadlines = self._policy.deadlines
        if call.events:
            return f"the answer stalled: nothing for {deadlines.between_chunks:g} s"
        return f"no answer began within {deadlines.first_byte:g} s"

    def _late(self, call: Call) -> str:
        got = f"{call.chars} characters had come" if call.chars else f"nothing had come in attempt {call.attempts}"
        return f"the answer was not whole within {self._policy.deadlines.whole:g} s: {got}"


def _take_usage(call: Call, reply: Any) -> None:  # noqa: ANN401 - whatever the server sent
    usage = getattr(reply, "usage", None)
    counts = [getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
    if any(isinstance(count, int) for count in counts):
        call.usage = Usage(*(count if isinstance(count, int) else 0 for count in counts))


async def _peek(chunks: AsyncIterator[bytes]) -> bytes:
    got = b""
    async for chunk in chunks:
        got += chunk
        if len(got) >= MAX_PEEKED:
            break
    return got[:MAX_PEEKED]


def _without_history(error: ChatModelError | None) -> ChatModelError | None:
    """Returns the error without what led to it: openai's errors hold the request, and that holds the key."""
    if error is not None:
        error.__cause__ = error.__context__ = error.__traceback__ = None
    return error

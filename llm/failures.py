"""What can go wrong between us and a chat model's server, said as one of our errors, with no key in it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import (
    ChatModelError,
    ChatModelRefusedError,
    ChatModelReplyError,
    ChatModelTimeoutError,
    ChatModelUnavailableError,
    ChatModelUnreachableError,
)

if TYPE_CHECKING:
    import openai

__all__ = ["ChatFailure", "Secret", "bounded", "chat_failure", "parse_retry_after", "shown_url"]

MAX_SHOWN = 200  # characters of a server's words in an error
MIN_SECRET = 4  # a shorter "key" is a placeholder such as "x": masking it would tear the message apart
MASK = "***"
RETRIED = frozenset({408, 409, 429})  # and 5xx
SERVER_ERROR = 500
LOST = "the connection broke off"


class Secret:
    """A key that no repr, no log and no pickle shows.

    Args:
        value: The key, "" for none.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Returns the key itself."""
        return self._value

    def mask(self, text: str) -> str:
        """Returns the text with the key masked."""
        return text.replace(self._value, MASK) if len(self._value) >= MIN_SECRET else text

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key is not pickled: it is read from the environment where it is needed")


@dataclass(frozen=True, slots=True)
class ChatFailure:
    """One failed attempt.

    Args:
        error: Says what happened.
        retried: Whether another attempt may do better.
        counted: Whether it speaks against the server, so that the breaker counts it.
        retry_after: Seconds that the server asks to wait, None where it does not.
    """

    error: ChatModelError
    retried: bool = False
    counted: bool = True
    retry_after: float | None = None


def chat_failure(err: Exception, *, where: str, secret: Secret) -> ChatFailure:
    """Returns what an exception of the openai package, or of what lies below it, means for us.

    Args:
        err: What was raised.
        where: The model and its server, to begin the message with.
        secret: The API key, masked wherever it stands.
    """
    import openai

    def said(reason: str) -> str:
        return f"{where}: {bounded(secret.mask(reason))}"

    if isinstance(err, openai.APIStatusError):
        return _status_failure(err, said)
    if isinstance(err, openai.APIConnectionError) or _is_transport(err):
        return _connection_failure(err, said)
    if isinstance(err, openai.APIError):  # an error event inside the stream
        return ChatFailure(ChatModelUnavailableError(said(f"the server reports an error: {err.message}")), retried=True)
    if isinstance(err, ValueError):
        got = getattr(err, "doc", "")
        return ChatFailure(ChatModelReplyError(said(f"expected JSON of a chat completion, got {got!r} ({err})")))
    return ChatFailure(ChatModelReplyError(said(f"expected a chat completion, got {type(err).__name__}: {err}")))


def bounded(text: str) -> str:
    """Returns the text, cut to what an error should show, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_SHOWN else f"{line[:MAX_SHOWN]}..."


def shown_url(url: str) -> str:
    """Returns a URL without user, password, query and fragment, where keys are put at times."""
    try:
        parts = urlsplit(url)
    except ValueError:  # it is none
        parts = None
    if parts is None or "://" not in url:  # shown as it was written, or nobody finds the mistake
        return re.split(r"[?#]", url.rpartition("@")[2])[0]
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds that a reply's headers ask to wait, None where they ask for nothing that can be read.

    Source: RFC 9110, section 10.2.3: a number of seconds or an HTTP date. "retry-after-ms" is OpenAI's own.
    """
    seconds = _seconds(headers.get("retry-after-ms"))
    if seconds is not None:
        return seconds / 1000
    value = headers.get("retry-after")
    seconds = _seconds(value)
    if seconds is not None or not value:
        return seconds
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _status_failure(err: openai.APIStatusError, said: Callable[[str], str]) -> ChatFailure:
    status = err.status_code
    words = err.body.get("message") if isinstance(err.body, dict) else None
    reason = said(f"the server answered {status}: {words or err.message}")
    if status in RETRIED or status >= SERVER_ERROR:
        wait = parse_retry_after(err.response.headers)
        return ChatFailure(ChatModelUnavailableError(reason), retried=True, retry_after=wait)
    return ChatFailure(ChatModelRefusedError(reason), counted=False)


def _connection_failure(err: Exception, said: Callable[[str], str]) -> ChatFailure:
    """The openai package hides the transport's error behind its own: the innermost cause says what happened."""
    cause: BaseException = err
    while cause.__cause__ is not None and _is_transport(cause.__cause__):
        cause = cause.__cause__
    kind, detail = type(cause).__name__, f": {cause}" if str(cause) else ""
    if "Timeout" in kind and "Connect" not in kind:
        return ChatFailure(ChatModelTimeoutError(said(f"no reply in time ({kind}{detail})")))
    if kind.startswith("Connect"):
        return ChatFailure(ChatModelUnreachableError(said(f"no connection ({kind}{detail})")), retried=True)
    return ChatFailure(ChatModelUnavailableError(said(f"{LOST} ({kind}{detail})")), retried=True)


def _is_transport(err: BaseException) -> bool:
    """Says whether an error is of httpx (openai 2.x) or httpx2 (3.x), neither of which we import."""
    return type(err).__module__.partition(".")[0] in ("httpx", "httpx2")

"""What a caller may set about a chat model's calls, and what it is told about their cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from ..arguments import check_positive
from ..errors import InvalidArgumentError

__all__ = ["Deadlines", "Retries", "Usage"]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a call may take, in seconds.

    Args:
        connect: To reach the server, each time it is tried.
        first_byte: From an attempt's start to the first event of its answer.
        between_chunks: From one event of the answer to the next.
        whole: For everything together: all attempts, the waits between them, and the answer.

    Raises:
        InvalidArgumentError: One is no finite number above 0.
    """

    connect: float = 3.0
    first_byte: float = 15.0
    between_chunks: float = 20.0
    whole: float = 60.0

    def __post_init__(self) -> None:
        for it in fields(self):
            _check_seconds(it.name, getattr(self, it.name))


@dataclass(frozen=True, slots=True)
class Retries:
    """When a call is tried again, and when the server is left alone.

    Args:
        attempts: How often a call is tried at most, the first time included.
        first_wait: Seconds before the second attempt, doubled for each further one; jitter comes on top.
        longest_wait: Upper bound of such a wait in seconds.
        give_up_after: Failed attempts in a row, of all calls together, after which calls fail at once.
        cool_down: Seconds until one call is let through again.

    Raises:
        InvalidArgumentError: A number of attempts is below 1, or a wait no finite number above 0.
    """

    attempts: int = 3
    first_wait: float = 0.5
    longest_wait: float = 8.0
    give_up_after: int = 5
    cool_down: float = 15.0

    def __post_init__(self) -> None:
        check_positive("attempts", self.attempts)
        check_positive("give_up_after", self.give_up_after)
        for name in ("first_wait", "longest_wait", "cool_down"):
            _check_seconds(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counts them; 0 where it does not say.

    Args:
        prompt_tokens: What was read.
        completion_tokens: What was written.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens)


def _check_seconds(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidArgumentError(f"{name} must be a number of seconds above 0, got {value!r:.80}")

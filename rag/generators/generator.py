"""What writes an answer: the contract, and a fake for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from ...arguments import check_positive
from ...errors import InvalidArgumentError
from ..prompt import Message

__all__ = ["Generator", "ScriptedGenerator"]


@runtime_checkable
class Generator(Protocol):
    """One verb: messages in, the answer's text out, piece by piece."""

    def generate(self, messages: Sequence[Message]) -> Iterator[str]:
        """Yields the answer in pieces of any size; joined, they are the whole text.

        What it returns may have a `close()`, which is called from any thread when nobody reads on, and a `usage`, the
        tokens taken.

        Raises:
            ChatModelError: The model can't be had; so may each next piece. Any other error is taken for a mistake.
        """
        ...


class ScriptedGenerator:
    """A generator that gives prepared replies in order, in small pieces, and keeps the messages it got.

    Args:
        replies: The whole replies, one a call.
        piece_chars: Length of a streamed piece in characters, at least 1. Small, so that markers and quotes are torn.

    Raises:
        InvalidArgumentError: `piece_chars` is no whole number of at least 1.
    """

    def __init__(self, replies: Sequence[str], *, piece_chars: int = 3) -> None:
        self._replies = tuple(replies)
        self._piece_chars = check_positive("piece_chars", piece_chars)
        self.calls: list[list[Message]] = []

    def generate(self, messages: Sequence[Message]) -> Iterator[str]:
        """Returns the next reply's pieces; the call is recorded at once, not when the pieces are read.

        Raises:
            InvalidArgumentError: Every reply was given already.
        """
        if len(self.calls) >= len(self._replies):
            raise InvalidArgumentError(f"ScriptedGenerator has {len(self._replies)} replies and was asked for one more")
        reply = self._replies[len(self.calls)]
        self.calls.append([message.copy() for message in messages])
        return (reply[at : at + self._piece_chars] for at in range(0, len(reply), self._piece_chars))

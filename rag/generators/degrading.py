"""What an answer is made of when its generator fails: the passages themselves."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from ...errors import ChatModelError
from ...llm import Usage
from ..citing.verbatim import UNSPACED
from ..prompt import Message, parse_messages
from .extractive import NOTHING_FOUND
from .generator import Generator

__all__ = ["GENERATOR_DEGRADED", "DegradingStream", "PassageGenerator"]

logger = logging.getLogger(__name__)

GENERATOR_DEGRADED = "generator"  # stands in `Answer.degraded`
FAILURES = (ChatModelError, ConnectionError, TimeoutError)  # a model that can't be had; anything else is a mistake
MAX_PASSAGES = 3  # what a reader looks through when a summary was expected
MAX_QUOTE_CHARS = 400
_WHOLE_WORDS = re.compile(rf".{{1,{MAX_QUOTE_CHARS}}}(?:(?=\s)|(?<=[{UNSPACED}]))")


class DegradingStream(Iterator[str]):
    """Yields a generator's answer, or where that fails another's.

    Before the first piece, the fallback answers instead; after it, what was written stays and the answer ends there.
    `degraded` and `error` then say so.

    Args:
        generator: Writes the answer.
        fallback: Writes it where the generator can't; None where there is nothing to fall back to.
        messages: The chat, from `build_messages`.
        strict: Raise the generator's error instead.

    Raises:
        ChatModelError: `strict`, and the model can't be had.
    """

    def __init__(
        self, generator: Generator, fallback: Generator | None, messages: Sequence[Message], *, strict: bool = False
    ) -> None:
        self._fallback = fallback
        self._messages = messages
        self._strict = strict
        self._begun = False
        self._ended = False
        self.error: Exception | None = None
        self._raised: Exception | None = None  # raised again by whoever reads on: half an answer is none
        self._pieces: Iterator[str] = iter(())
        try:
            self._pieces = generator.generate(messages)
        except FAILURES as err:
            self._fail(err)

    def __next__(self) -> str:
        if self._raised is not None:
            raise self._raised
        while not self._ended:
            try:
                piece = next(self._pieces)
            except StopIteration:
                raise
            except FAILURES as err:
                self._fail(err)
                continue
            except Exception as err:
                self._raised = err
                raise
            self._begun = self._begun or bool(piece.strip())
            return piece
        raise StopIteration

    @property
    def degraded(self) -> tuple[str, ...]:
        """What did not work: `("generator",)` or nothing; complete when the last piece was read."""
        return () if self.error is None else (GENERATOR_DEGRADED,)

    @property
    def usage(self) -> Usage | None:
        """The tokens that the model took, known at the end; None where the pieces' writer counts none."""
        return getattr(self._pieces, "usage", None)

    def close(self) -> None:
        """Ends the generator's work, upstream too; from any thread."""
        self._ended = True
        close = getattr(self._pieces, "close", None)
        if close is not None:
            with suppress(ValueError):  # a generator function's, which is running in another thread: it ends by itself
                close()

    def _fail(self, err: Exception) -> None:
        if self._strict or self.error is not None or (self._fallback is None and not self._begun):
            self._raised = err
            raise err
        self.error = err
        logger.warning("the answer is %s: %s", "cut short" if self._begun else "the passages", err)
        if self._begun or self._fallback is None:
            self._ended = True
        else:
            self._pieces = self._fallback.generate(self._messages)


class PassageGenerator:
    """Quotes sentences that answer the question, as `extractive` finds them; where it finds none, the first passages.

    Args:
        extractive: Finds them, such as an `ExtractiveGenerator`.
    """

    def __init__(self, extractive: Generator) -> None:
        self._extractive = extractive

    def generate(self, messages: Sequence[Message]) -> Iterator[str]:
        """Yields one line a quote, as `“text” [n]`, or `NOTHING_FOUND` where there is no passage.

        Raises:
            InvalidArgumentError: The messages were not made by `build_messages`.
        """
        quoted = "".join(self._extractive.generate(messages))
        _, passages = parse_messages(messages)
        if quoted != NOTHING_FOUND or not passages:
            yield quoted
            return
        lines = (f"“{_beginning(text)}” [{number}]" for number, text in passages[:MAX_PASSAGES])
        yield "\n".join(lines)


def _beginning(text: str) -> str:
    """Returns a passage's first words on one line, in no quote marks that would end the quote."""
    line = " ".join(text.split()).translate({ord("“"): '"', ord("”"): '"'})
    if len(line) <= MAX_QUOTE_CHARS:
        return line
    whole = _WHOLE_WORDS.match(line)
    return whole[0].rstrip() if whole else line[:MAX_QUOTE_CHARS]

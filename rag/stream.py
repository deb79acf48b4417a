"""The answer as it is written: text first, checked citations at the end."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from ..retrievers.hit import Hit
from ..retrievers.retriever import Encoder
from .answer import Answer
from .citing.citations import check_citations
from .context import Passage
from .generators.degrading import DegradingStream
from .generators.generator import Generator
from .prompt import build_messages

__all__ = ["AnswerStream"]

logger = logging.getLogger(__name__)


class AnswerStream(Iterator[str]):
    """Yields an answer's text in pieces; `finish()` gives the whole answer with its citations.

    A generator that fails is replaced by the fallback before its first piece, and cut short after it; the answer's
    `degraded` says so.

    Args:
        question: The question.
        hits: What was retrieved.
        passages: The context that the generator reads.
        generator: Writes the answer.
        fallback: Writes it where the generator's model can't be had; None where the generator needs none.
        encoder: Judges how near an unquoted claim is to its passage, None for words alone.
        strict: Raise the generator's error instead of falling back.

    Raises:
        ChatModelError: `strict`, and the model can't be had; also from `next` and `finish`.
    """

    def __init__(
        self,
        question: str,
        hits: Sequence[Hit],
        passages: Sequence[Passage],
        *,
        generator: Generator,
        fallback: Generator | None = None,
        encoder: Encoder | None = None,
        strict: bool = False,
    ) -> None:
        self.question = question
        self.hits = tuple(hits)
        self.passages = tuple(passages)
        self._encoder = encoder
        self._pieces = DegradingStream(generator, fallback, build_messages(question, passages), strict=strict)
        self._text: list[str] = []
        self._answer: Answer | None = None

    def __next__(self) -> str:
        piece = next(self._pieces)
        self._text.append(piece)
        return piece

    def finish(self) -> Answer:
        """Reads what is left of the text and returns the whole answer with its citations checked."""
        if self._answer is None:
            self._text.extend(self._pieces)
            text = "".join(self._text)
            citations = check_citations(text, self.passages, encoder=self._encoder)
            self._answer = Answer(
                question=self.question,
                text=text,
                citations=tuple(citations),
                hits=self.hits,
                passages=self.passages,
                degraded=self._pieces.degraded,
                usage=self._pieces.usage,
            )
            if (usage := self._answer.usage) is not None:
                logger.info("tokens: %d read, %d written", usage.prompt_tokens, usage.completion_tokens)
        return self._answer

    def close(self) -> None:
        """Ends the generator's work, upstream too; from any thread. What was read so far stays the answer's text."""
        self._pieces.close()

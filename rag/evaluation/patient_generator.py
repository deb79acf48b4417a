"""A chat model that writes the answers of an evaluation, and is waited for where it can't be had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...llm import Usage
from ..generators.openai_chat import OpenAIGenerator
from ..prompt import Message
from .patience import Patience

__all__ = ["PatientGenerator", "WholeAnswer"]


class PatientGenerator:
    """Writes what another generator writes, whole: one that broke off is asked again, which a stream can't be.

    Args:
        generator: Writes the answers.
    """

    def __init__(self, generator: OpenAIGenerator) -> None:
        self._generator = generator
        self._patience = Patience(generator.client.retries.cool_down)

    def generate(self, messages: Sequence[Message]) -> WholeAnswer:
        """Returns the answer, in one piece.

        Args:
            messages: The chat, from `build_messages`.

        Raises:
            ChatModelError: The model can't be had, after waiting where that could help.
        """
        return self._patience.ask(lambda: self._whole(messages))

    def _whole(self, messages: Sequence[Message]) -> WholeAnswer:
        stream = self._generator.generate(messages)
        return WholeAnswer("".join(stream), stream.usage)


class WholeAnswer(Iterator[str]):
    """Yields an answer's text once. Made by `PatientGenerator.generate`.

    Args:
        text: The text.
        usage: The tokens that it took.
    """

    def __init__(self, text: str, usage: Usage) -> None:
        self._pieces = iter([text])
        self.usage = usage

    def __next__(self) -> str:
        return next(self._pieces)

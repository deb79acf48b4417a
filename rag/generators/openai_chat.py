"""The generator that asks a chat model, by OpenAI's format, on any server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...errors import ChatModelError, ChatModelReplyError
from ...llm import ChatClient, ChatStream, Deadlines, Retries, ThoughtCutter, Usage
from ..citing.links import LinkCutter
from ..prompt import Message

__all__ = ["OpenAIAnswer", "OpenAIGenerator"]

CUT = {  # by finish_reason, as OpenAI's reference of chat completions names them
    "length": "the server ended the answer at its limit of tokens",
    "content_filter": "the server withheld the rest of the answer",
}


class OpenAIGenerator:
    """Answers from the passages in a chat model's words, each piece as it comes.

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
        api_key_env: str = "OPENAI_API_KEY",
        deadlines: Deadlines | None = None,
        retries: Retries | None = None,
        parameters: Mapping[str, object] | None = None,
    ) -> None:
        self.client = ChatClient(
            model,
            base_url=base_url,
            api_key_env=api_key_env,
            deadlines=deadlines,
            retries=retries,
            parameters=parameters,
        )

    def generate(self, messages: Sequence[Message]) -> OpenAIAnswer:
        """Returns the answer's pieces, its links cut by `LinkCutter`; the request is on its way when this returns.

        What the model thinks aloud between <think> and </think> before its answer is left out.

        A citation's marker is never torn: [1], [1, 2] and 【1】 come whole. One that names no passage stays, for
        `check_citations` to flag.

        Raises:
            ChatModelUnavailableError: The server failed repeatedly, and its time to cool down is not over. Other
                errors are raised while the pieces are read.
        """
        return OpenAIAnswer(self.client.stream([{"role": it["role"], "content": it["content"]} for it in messages]))

    def __repr__(self) -> str:
        return f"OpenAIGenerator({self.client!r})"


class OpenAIAnswer(Iterator[str]):
    """Yields an answer's text without links, and without what the model thought aloud before it.

    Made by `OpenAIGenerator.generate`. `close()`, from any thread, ends the request upstream; so does dropping the last
    reference.

    Args:
        stream: The model's own words.
    """

    def __init__(self, stream: ChatStream) -> None:
        self._stream = stream
        self._thoughts = ThoughtCutter()
        self._cutter = LinkCutter()
        self._written = False
        self._failure: ChatModelError | None = None
        self._ended = False

    def __next__(self) -> str:
        while not self._ended:
            try:
                text = self._cutter.feed(self._thoughts.feed(next(self._stream)))
            except (StopIteration, ChatModelError) as end:  # what was held back comes before the error
                closed, self._ended = self._ended, True
                text = self._cutter.feed(self._thoughts.finish()) + self._cutter.finish()
                self._failure = end if isinstance(end, ChatModelError) else self._wrong_with_end(text, closed=closed)
            text = text if self._written else text.lstrip()
            self._written = self._written or bool(text)
            if text:
                return text
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        raise StopIteration

    def _wrong_with_end(self, last: str, *, closed: bool) -> ChatModelReplyError | None:
        """Returns what is wrong with a reply that came to its end, and with this text."""
        if closed:
            return None
        ended = self._stream.finish_reason
        if not (self._written or last.strip()):
            what = "it thought aloud and gave no answer" if self._thoughts.has_cut else "the answer is empty"
        elif ended in CUT:
            what = CUT[ended]
        else:
            return None
        return ChatModelReplyError(f"{self._stream.model}: {what} (finish_reason {ended!r:.40})")

    @property
    def usage(self) -> Usage:
        """The tokens of this answer, known at its end."""
        return self._stream.usage

    def close(self) -> None:
        """Ends the request upstream. It may be called twice."""
        self._ended = True
        self._stream.close()

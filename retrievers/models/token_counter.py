"""Counts tokens with a model's own tokenizer, without loading the model."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ModelNotFoundError
from .folder import ModelLayout

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # type: ignore[import-untyped]

__all__ = ["TokenCounter", "without_surrogates"]

RECENT_TEXTS = 4_096  # more than the chunks of the batches that are read, encoded and committed at a time
RECENT_CHARS = 4_096  # longer ones are no chunks: 16 MB at most

_SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """Returns the text with halves of surrogate pairs replaced by U+FFFD: no tokenizer takes what UTF-8 can't hold."""
    return _SURROGATE.sub("\ufffd", text)


class TokenCounter:
    """The tokenizer of a model's document side, with cutting and padding switched off.

    Nothing is set in the environment: the tokenizer works on all cores, and in a forked child on one.

    Args:
        layout: The model's layout.
    """

    def __init__(self, layout: ModelLayout) -> None:
        self._layout = layout
        self._recent: dict[str, int] = {}

    @cached_property
    def max_tokens(self) -> int:
        """How many tokens of a document the model reads, beside its special tokens and its document prompt."""
        if self._layout.max_length is None:
            return sys.maxsize
        special: int = self._tokenizer.num_special_tokens_to_add(False)
        prompt = self.count([self._layout.document_prompt])[0]
        return max(self._layout.max_length - special - prompt, 0)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Returns each text's number of tokens, special tokens and prompts not counted, nothing cut.

        Recent texts are remembered: a chunk is counted when it is cut, and again when it is encoded.
        """
        known = {text: count for text in texts if (count := self._recent.get(text)) is not None}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        counts = dict(zip(new, self._count(new), strict=True)) if new else {}
        if len(self._recent) + len(counts) > RECENT_TEXTS:
            self._recent.clear()
        self._recent.update((text, count) for text, count in counts.items() if len(text) <= RECENT_CHARS)
        known |= counts
        return [known[text] for text in texts]

    def _count(self, texts: Sequence[str]) -> list[int]:
        readable = [without_surrogates(text) for text in texts]
        lowered = [text.lower() for text in readable] if self._layout.lower_case else readable
        encodings = self._tokenizer.encode_batch_fast(lowered, add_special_tokens=False)
        return [len(encoding.ids) for encoding in encodings]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        path: Path = self._layout.document[0].path / "tokenizer.json"
        if not path.is_file():
            raise ModelNotFoundError(f"{path} is missing: save the model once with its fast tokenizer")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as err:  # the library raises bare ones
            raise ModelNotFoundError(f"{path} can't be read: {str(err)[:200]}") from err
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

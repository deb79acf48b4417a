"""Counts tokens with a model's own tokenizer, without loading the model."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelNotFoundError
from .folder import ModelLayout

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # type: ignore[import-untyped]

__all__ = ["TokenCounter", "TokenIds", "without_surrogates"]

TokenIds: TypeAlias = NDArray[np.int32]

RECENT_TEXTS = 4_096  # more than the chunks of the batches that are read, encoded and committed at a time
RECENT_CHARS = 4_096  # longer ones are no chunks
PLACING = ("padding", "truncation")

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
        self._recent: dict[str, TokenIds] = {}

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
        known = {text: len(ids) for text in texts if (ids := self._recent.get(text)) is not None}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        tokenised = dict(zip(new, self._ids(new), strict=True)) if new else {}
        if len(self._recent) + len(tokenised) > RECENT_TEXTS:
            self._recent.clear()
        self._recent.update((text, ids) for text, ids in tokenised.items() if len(text) <= RECENT_CHARS)
        known.update((text, len(ids)) for text, ids in tokenised.items())
        return [known[text] for text in texts]

    def recent(self, text: str) -> TokenIds | None:
        """Returns the token ids of a text that was counted lately, no special ones among them; None of any other."""
        return self._recent.get(text)

    def agrees_with(self, tokenizer: Tokenizer) -> bool:
        """Returns whether a tokenizer makes of every text the ids that are counted here; how it pads and cuts apart."""
        return not self._layout.lower_case and _settings(tokenizer) == _settings(self._tokenizer)

    def _ids(self, texts: Sequence[str]) -> list[TokenIds]:
        readable = [without_surrogates(text) for text in texts]
        lowered = [text.lower() for text in readable] if self._layout.lower_case else readable
        encodings = self._tokenizer.encode_batch_fast(lowered, add_special_tokens=False)
        return [np.array(encoding.ids, np.int32) for encoding in encodings]

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


def _settings(tokenizer: Tokenizer) -> dict[str, object]:
    """Returns everything that a tokenizer's file says but how it pads and cuts."""
    return {name: value for name, value in json.loads(tokenizer.to_str()).items() if name not in PLACING}

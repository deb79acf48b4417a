"""Texts, or pairs of them, to padded arrays of token ids: cut, sorted by length, tokenised as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ....errors import ModelNotFoundError
from ..batching import BatchLimit, batches_by_length

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer  # type: ignore[import-untyped]

__all__ = ["BatchTokenizer", "Text", "TokenBatch"]

Text: TypeAlias = str | tuple[str, str]
Ids: TypeAlias = NDArray[np.int64]

LENGTH_STEP = 16  # a batch's length is a multiple of it: tiles are full, few shapes are compiled; 1.1x faster in all
WINDOW = 512  # texts that are sorted together: next to no padding, and 0.1 s until the first batch is there


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Some texts as a transformer takes them, padded on the right.

    Args:
        positions: Where the texts stand among those of the call.
        lengths: Each text's number of tokens, special tokens included.
        inputs: "input_ids", "attention_mask" and "token_type_ids": int64, shape (texts, longest).
    """

    INPUTS: ClassVar[tuple[str, ...]] = ("input_ids", "attention_mask", "token_type_ids")

    positions: list[int]
    lengths: list[int]
    inputs: dict[str, Ids]

    def rows(self, part: slice) -> TokenBatch:
        """Returns some of its texts, padded as they are here."""
        inputs = {name: values[part] for name, values in self.inputs.items()}
        return TokenBatch(self.positions[part], self.lengths[part], inputs)


class BatchTokenizer:
    """The tokenizer of an exported model. Threads may share it.

    Args:
        path: Its tokenizer.json, whose padding names the id to pad with.
        max_length: At most this many tokens of a text, special tokens included; None for all of them.
        step: Batches are padded to a multiple of so many tokens, or to max_length; not at all without a max_length.

    Raises:
        ModelNotFoundError: The file can't be read.
    """

    def __init__(self, path: Path, *, max_length: int | None, step: int = LENGTH_STEP) -> None:
        from tokenizers import Tokenizer

        try:
            tokenizer: Tokenizer = Tokenizer.from_file(str(path))
            padding = tokenizer.padding
            self._pad_ids = (padding["pad_id"], 0, padding["pad_type_id"])
        except Exception as err:  # the library raises bare ones
            raise ModelNotFoundError(f"{path} can't be read: {str(err)[:200]}") from err
        tokenizer.no_padding()
        if max_length is None:
            tokenizer.no_truncation()
        else:
            tokenizer.enable_truncation(max_length)
        self._tokenizer = tokenizer
        self._max_length = max_length or 0  # a model that names no limit may have no place for padding beyond the text
        self._step = step

    def batches(self, texts: Sequence[Text], limit: BatchLimit) -> Iterator[TokenBatch]:
        """Yields the texts in batches of like length; each window of texts is tokenised when its first batch is due."""
        for start in range(0, len(texts), WINDOW):
            encodings = self._encoded(texts[start : start + WINDOW])
            for picked in batches_by_length([self._padded_length(len(it.ids)) for it in encodings], limit):
                yield self._padded([start + at for at in picked], [encodings[at] for at in picked])

    def _encoded(self, texts: Sequence[Text]) -> list[Encoding]:
        if len(texts) > 1:
            encodings: list[Encoding] = self._tokenizer.encode_batch_fast(list(texts))
            return encodings
        (text,) = texts  # alone it wakes no threads
        return [self._tokenizer.encode(*(text if isinstance(text, tuple) else (text,)))]

    def prompt_length(self, prompt: str) -> int:
        """Returns how many tokens a prompt takes before a text, the special ones before it included."""
        ids = self._tokenizer.encode(prompt).ids
        special = {token for token, added in self._tokenizer.get_added_tokens_decoder().items() if added.special}
        return len(ids) - (ids[-1] in special) if ids else 0

    def _padded_length(self, length: int) -> int:
        return max(length, min(-(-length // self._step) * self._step, self._max_length))

    def _padded(self, positions: list[int], encodings: list[Encoding]) -> TokenBatch:
        lengths = [len(encoding.ids) for encoding in encodings]
        shape = (len(encodings), self._padded_length(max(lengths)))
        arrays = [np.full(shape, pad_id, np.int64) for pad_id in self._pad_ids]
        for row, encoding in enumerate(encodings):
            for array, ids in zip(arrays, (encoding.ids, encoding.attention_mask, encoding.type_ids), strict=True):
                array[row, : lengths[row]] = ids
        return TokenBatch(positions, lengths, dict(zip(TokenBatch.INPUTS, arrays, strict=True)))

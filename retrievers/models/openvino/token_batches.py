"""Texts, or pairs of them, to padded arrays of token ids: cut, sorted by length, tokenised as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ....errors import ModelNotFoundError
from ..batching import BatchLimit, batches_by_length
from ..token_counter import TokenCounter

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # type: ignore[import-untyped]

__all__ = ["BatchTokenizer", "Text", "TokenBatch"]

Text: TypeAlias = str | tuple[str, str]
Ids: TypeAlias = NDArray[np.int64]

LENGTH_STEP = 16  # a batch's length is a multiple of it: tiles are full, few shapes are compiled; 1.1x faster in all
WINDOW = 512  # texts that are sorted together: next to no padding, and 0.1 s until the first batch is there
PROBE = "probe"


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


class _Row(NamedTuple):
    """A text's or a pair's tokens, special ones included, cut."""

    ids: Sequence[int] | Ids
    type_ids: Sequence[int] | int


class BatchTokenizer:
    """The tokenizer of an exported model. Threads may share it.

    Args:
        path: Its tokenizer.json, whose padding names the id to pad with.
        max_length: At most this many tokens of a text, special tokens included; None for all of them.
        step: Batches are padded to a multiple of so many tokens, or to max_length; not at all without a max_length.
        lone_lengths: A text that comes alone is padded to the first of these that holds it, in the same bounds.
        counter: What texts were counted with: those that it remembers are not tokenised again where it makes the same
            ids. On Cranfield that is a third of what tokenising takes while it is indexed.

    Raises:
        ModelNotFoundError: The file can't be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_length: int | None,
        step: int = LENGTH_STEP,
        lone_lengths: Sequence[int] = (),
        counter: TokenCounter | None = None,
    ) -> None:
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
        self._lone_lengths = lone_lengths
        self._counter = counter

    def batches(self, texts: Sequence[Text], limit: BatchLimit) -> Iterator[TokenBatch]:
        """Yields the texts in batches of like length; each window of texts is tokenised when its first batch is due."""
        for start in range(0, len(texts), WINDOW):
            rows = self._rows(texts[start : start + WINDOW])
            for picked in batches_by_length([self._padded_length(len(row.ids)) for row in rows], limit):
                yield self._padded([start + at for at in picked], [rows[at] for at in picked])

    def _rows(self, texts: Sequence[Text]) -> list[_Row]:
        if len(texts) == 1:  # alone it wakes no threads
            (text,) = texts
            encoding = self._tokenizer.encode(*(text if isinstance(text, tuple) else (text,)))
            return [_Row(encoding.ids, encoding.type_ids)]
        rows = {at: row for at, text in enumerate(texts) if (row := self._counted(text)) is not None}
        others = [at for at in range(len(texts)) if at not in rows]
        if others:
            encodings = self._tokenizer.encode_batch_fast([texts[at] for at in others])
            rows.update((at, _Row(it.ids, it.type_ids)) for at, it in zip(others, encodings, strict=True))
        return [rows[at] for at in range(len(texts))]

    def _counted(self, text: Text) -> _Row | None:
        """Returns the row of a text whose ids the counter remembers, None of any other."""
        if self._counter is None or not isinstance(text, str) or self._frame is None:
            return None
        ids = self._counter.recent(text)
        if ids is None:
            return None
        before, after = self._frame
        room = max(self._max_length - len(before) - len(after), 0) if self._max_length else len(ids)
        return _Row(np.concatenate([before, ids[:room], after]).astype(np.int64), 0)

    @cached_property
    def _frame(self) -> tuple[list[int], list[int]] | None:
        """The special tokens before and after any text; None where the counter's ids are others than these."""
        if self._counter is None or not self._counter.agrees_with(self._tokenizer):
            return None
        whole, bare = (self._tokenizer.encode(PROBE, add_special_tokens=special) for special in (True, False))
        starts = [at for at in range(len(whole.ids)) if whole.ids[at : at + len(bare.ids)] == bare.ids]
        if not starts or any(whole.type_ids):
            return None
        before, after = whole.ids[: starts[0]], whole.ids[starts[0] + len(bare.ids) :]
        return (before, after) if self._tokenizer.encode("").ids == before + after else None

    def prompt_length(self, prompt: str) -> int:
        """Returns how many tokens a prompt takes before a text, the special ones before it included."""
        ids = self._tokenizer.encode(prompt).ids
        special = {token for token, added in self._tokenizer.get_added_tokens_decoder().items() if added.special}
        return len(ids) - (ids[-1] in special) if ids else 0

    def _padded_length(self, length: int) -> int:
        return max(length, min(-(-length // self._step) * self._step, self._max_length))

    def _lone_length(self, length: int) -> int:
        fitting = [it for it in self._lone_lengths if it >= length]
        return max(length, min(fitting[0], self._max_length)) if fitting else self._padded_length(length)

    def _padded(self, positions: list[int], rows: list[_Row]) -> TokenBatch:
        lengths = [len(row.ids) for row in rows]
        padded = self._lone_length(lengths[0]) if len(rows) == 1 else self._padded_length(max(lengths))
        arrays = np.zeros((len(TokenBatch.INPUTS), len(rows), padded), np.int64)
        for array, pad_id in zip(arrays, self._pad_ids, strict=True):
            if pad_id:
                array[:] = pad_id
        for line, row in enumerate(rows):
            for array, values in zip(arrays, (row.ids, 1, row.type_ids), strict=True):
                array[line, : lengths[line]] = values
        return TokenBatch(positions, lengths, dict(zip(TokenBatch.INPUTS, arrays, strict=True)))

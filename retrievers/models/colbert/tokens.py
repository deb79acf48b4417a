"""Texts to the tokens that a ColBERT checkpoint reads, with the tokenizers library alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....errors import ModelNotFoundError
from ...retriever import Side
from ..folder import read_object
from ..token_counter import without_surrogates
from .checkpoint import ColbertCheckpoint, SideSettings

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # type: ignore[import-untyped]

__all__ = ["ColbertTokenizer", "TokenRow"]

PROBE = "a"  # a text that any tokenizer has a token for


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One text as a checkpoint reads it.

    Args:
        ids: The tokens, markers, special ones and filling included; int64, shape (tokens,).
        attended: 1 where the transformer looks, 0 for filling that it does not see; int64, shape (tokens,).
        kept: Whether a token has a row in the text's matrix; bool, shape (tokens,).
    """

    ids: NDArray[np.int64]
    attended: NDArray[np.int64]
    kept: NDArray[np.bool_]


class ColbertTokenizer:
    """A checkpoint's tokenizer with its markers, lengths, [MASK] filling and filter. Threads may share it.

    What colbert-ai's DocTokenizer and QueryTokenizer do for the Stanford format, and sentence-transformers'
    `preprocess` and MultiVectorMask for the other: [CLS] marker text [SEP], cut at the side's length; a query is filled
    up with [MASK], which other tokens see or not; in a document the tokens of punctuation get no row.

    Args:
        checkpoint: What the folder says.
    """

    def __init__(self, checkpoint: ColbertCheckpoint) -> None:
        self._checkpoint = checkpoint

    @cached_property
    def max_tokens(self) -> int:
        """How many tokens of a document fit, beside special tokens, marker and prompt."""
        side = self._checkpoint.document
        if side.length is None:
            return sys.maxsize
        before, after = self._frame
        marker = 0 if side.marker is None else 1
        return max(side.length - len(before) - len(after) - marker - self.count([side.prompt])[0], 0)

    @cached_property
    def special_tokens(self) -> frozenset[str]:
        """What `tokens` calls markers, filling, and what the tokenizer itself has for no part of a text."""
        added = {token.content for token in self._tokenizer.get_added_tokens_decoder().values() if token.special}
        markers = {side.marker for side in (self._checkpoint.query, self._checkpoint.document)}
        filling = self._checkpoint.expansion and self._tokenizer.id_to_token(self._filling)
        return frozenset(token for token in added | markers | {filling} if token)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Returns each text's number of tokens, special ones, marker and prompt not counted, nothing cut."""
        readable = [without_surrogates(text) for text in texts]
        return [len(each.ids) for each in self._tokenizer.encode_batch_fast(readable, add_special_tokens=False)]

    def rows(self, texts: Sequence[str], side: Side) -> list[TokenRow]:
        """Returns each text as the checkpoint reads it."""
        settings = self._checkpoint.query if side == "query" else self._checkpoint.document
        readable = [without_surrogates(settings.prompt + text) for text in texts]
        encodings = self._tokenizer.encode_batch_fast(readable, add_special_tokens=False)
        return [self._row(encoding.ids, settings, is_query=side == "query") for encoding in encodings]

    def tokens(self, text: str, side: Side) -> list[str]:
        """Returns the tokens that have a row, in the model's spelling."""
        row = self.rows([text], side)[0]
        return [str(self._tokenizer.id_to_token(token)) for token in row.ids[row.kept].tolist()]

    def spans(self, text: str, side: Side) -> list[tuple[tuple[int, int], ...]]:
        """Returns where in the text the token of each row stands: one (start, end), none for markers and the like."""
        settings = self._checkpoint.query if side == "query" else self._checkpoint.document
        readable = without_surrogates(settings.prompt + text)
        encoding = self._tokenizer.encode(readable, add_special_tokens=False)
        row = self._row(encoding.ids, settings, is_query=side == "query")
        before, after = self._frame
        found = [_placed(readable, span, len(settings.prompt)) for span in encoding.offsets[: self._fitting(settings)]]
        found = [()] * len(before) + found + [()] * len(after)
        if settings.marker is not None:
            found.insert(1, ())
        found += [()] * (len(row.ids) - len(found))
        return [span for span, kept in zip(found, row.kept, strict=True) if kept]

    def _fitting(self, settings: SideSettings) -> int | None:
        """Returns how many tokens of a text are read, None for all."""
        if settings.length is None:
            return None
        before, after = self._frame
        return max(settings.length - len(before) - len(after) - (settings.marker is not None), 0)

    def _row(self, content: list[int], settings: SideSettings, *, is_query: bool) -> TokenRow:
        before, after = self._frame
        ids = before + content[: self._fitting(settings)] + after
        if settings.marker is not None:
            ids.insert(1, self._id(settings.marker))
        skip = set(self._skipped(settings))
        if self._checkpoint.format == "stanford":
            if is_query:  # as colbert-ai has it: whatever is [PAD] in a query is [MASK], and in a document is nothing
                ids = [self._filling if token == self._pad else token for token in ids]
            else:
                skip.add(self._pad)
        attended = [1] * len(ids)
        expansion = self._checkpoint.expansion if is_query else None
        if expansion is not None and len(ids) < expansion.length:
            missing = expansion.length - len(ids)
            ids = ids + [self._filling] * missing
            attended += [int(expansion.attend)] * missing
        kept = [token not in skip for token in ids]
        return TokenRow(np.array(ids, np.int64), np.array(attended, np.int64), np.array(kept, np.bool_))

    @cached_property
    def _frame(self) -> tuple[list[int], list[int]]:
        """The special tokens before a text and behind it."""
        content = self._tokenizer.encode(PROBE, add_special_tokens=False).ids
        whole = self._tokenizer.encode(PROBE).ids
        start = next(at for at in range(len(whole)) if whole[at : at + len(content)] == content)
        return whole[:start], whole[start + len(content) :]

    @cached_property
    def _special(self) -> dict[str, str]:
        """The tokenizer's own names for its special tokens, as its settings have them."""
        folder = self._checkpoint.modules[0].path
        found = {**read_object(folder / "special_tokens_map.json"), **read_object(folder / "tokenizer_config.json")}
        named = {name: value["content"] if isinstance(value, dict) else value for name, value in found.items()}
        return {name: value for name, value in named.items() if isinstance(value, str)}

    @cached_property
    def _filling(self) -> int:
        expansion = self._checkpoint.expansion
        wanted = (expansion and expansion.token) or self._special.get("mask_token") or self._special.get("eos_token")
        if wanted is None or self._tokenizer.token_to_id(wanted) is None:
            raise ModelNotFoundError(f"the tokenizer in {self._checkpoint.path} has no token to fill queries with")
        return int(self._tokenizer.token_to_id(wanted))

    @cached_property
    def _pad(self) -> int:
        found = self._tokenizer.token_to_id(self._special.get("pad_token", "[PAD]"))
        return -1 if found is None else int(found)

    def _id(self, token: str) -> int:
        """Returns a marker's id, that of the unknown token where the vocabulary lacks it, as colbert-ai does."""
        for name in (token, self._special.get("unk_token", "[UNK]")):
            if (found := self._tokenizer.token_to_id(name)) is not None:
                return int(found)
        raise ModelNotFoundError(f"the tokenizer in {self._checkpoint.path} has no token {token!r}")

    def _skipped(self, settings: SideSettings) -> frozenset[int]:
        return self._skip_ids[settings.skip]

    @cached_property
    def _skip_ids(self) -> dict[tuple[str, ...], frozenset[int]]:
        """The ids of the words to skip: colbert-ai takes a word's first token, the other format a whole one."""
        found = {}
        for words in {self._checkpoint.query.skip, self._checkpoint.document.skip}:
            if self._checkpoint.format == "stanford":
                ids = [self._tokenizer.encode(word, add_special_tokens=False).ids[:1] for word in words]
                found[words] = frozenset(token for first in ids for token in first)
            else:
                whole = {word: self._tokenizer.token_to_id(word) for word in words}
                unknown = self._tokenizer.token_to_id(self._special.get("unk_token", "[UNK]"))
                found[words] = frozenset(token for token in whole.values() if token not in (None, unknown))
        return found

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import AddedToken, Tokenizer, normalizers

        path = self._checkpoint.modules[0].path / "tokenizer.json"
        if not path.is_file():
            path = self._checkpoint.path / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as err:  # the library raises bare ones
            raise ModelNotFoundError(f"{path} can't be read: {str(err)[:200]}") from err
        tokenizer.no_truncation()
        tokenizer.no_padding()
        if self._checkpoint.lower_case:
            own = [tokenizer.normalizer] if tokenizer.normalizer else []
            tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
        for prefix in self._checkpoint.registered:
            self._register(tokenizer, prefix, AddedToken)
        return tokenizer

    @staticmethod
    def _register(tokenizer: Tokenizer, prefix: str, added_token: type) -> None:
        """Keeps a prefix that the vocabulary has, whole or without what follows a space, in one piece."""
        for name in (prefix, prefix.split(None, 1)[0]):
            if tokenizer.token_to_id(name) is not None:
                if tokenizer.encode(name, add_special_tokens=False).tokens != [name]:
                    tokenizer.add_special_tokens([added_token(name, normalized=False, special=True)])
                return


def _placed(text: str, span: tuple[int, int], prompt: int) -> tuple[tuple[int, int], ...]:
    """Returns a span of the prompted text as one of the text, without the blanks that some tokens begin with."""
    start, end = max(span[0], prompt), span[1]
    piece = text[start:end]
    start, end = start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
    return ((start - prompt, end - prompt),) if start < end else ()

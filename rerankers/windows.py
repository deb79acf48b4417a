"""Passages that are too long for a cross-encoder beside the query, as overlapping pieces that are not."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from ..errors import ModelNotFoundError

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # type: ignore[import-untyped]

    from ..retrievers.models.cross_encoder import CrossEncoderCheckpoint

__all__ = ["PairWindows"]

Offsets: TypeAlias = Sequence[tuple[int, int]]

SPARE = 4  # tokens: a word that is cut apart at either end of a piece may take more of them than before
OVERLAP = 4  # a quarter of a piece stands in the next one, too: a sentence at the border is whole in one of the two

logger = logging.getLogger(__name__)


class PairWindows:
    """Cuts what a cross-encoder would cut in silence. Loads the model's tokenizer at first use, and no torch.

    Args:
        checkpoint: What the model's files say.
    """

    def __init__(self, checkpoint: CrossEncoderCheckpoint) -> None:
        self._checkpoint = checkpoint

    def split(self, query: str, texts: Sequence[str]) -> tuple[str, list[list[str]]]:
        """Returns the query as it will be read, and for each text the pieces that are to be scored instead of it.

        Most texts are their only piece, unchanged. A query longer than half of what the model reads is cut, which is
        logged. What no tokenizer reads (halves of surrogate pairs) is replaced.

        Args:
            query: The query.
            texts: What it is matched with.
        """
        from ..retrievers.models.token_counter import without_surrogates

        query, texts = without_surrogates(query), [without_surrogates(text) for text in texts]
        limit = self._checkpoint.max_length
        if limit is None:
            return query, [[text] for text in texts]
        special: int = self._tokenizer.num_special_tokens_to_add(True)
        taken = self._offsets([without_surrogates(self._checkpoint.prompt), query])
        if len(taken[1]) > limit // 2:
            logger.warning(
                "the query has %d tokens, and is cut to the first %d: the cross-encoder reads %d of query and passage",
                *(len(taken[1]), limit // 2, limit),
            )
            query = query[: taken[1][limit // 2 - 1][1]]
        room = max(limit - special - len(taken[0]) - min(len(taken[1]), limit // 2), 1)
        return query, [_pieces(text, its, room) for text, its in zip(texts, self._offsets(texts), strict=True)]

    def _offsets(self, texts: Sequence[str]) -> list[Offsets]:
        """Returns where each token of each text begins and ends in it."""
        if self._checkpoint.lower_case:
            # Offsets are those of the lowered text; a letter whose small form is two (İ) moves a border by one.
            texts = [text.lower() for text in texts]
        return [it.offsets for it in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        path = self._checkpoint.modules[0].path / "tokenizer.json"
        try:
            tokenizer: Tokenizer = Tokenizer.from_file(str(path))
        except Exception as err:  # the library raises bare ones
            raise ModelNotFoundError(f"{path} can't be read: {str(err)[:200]}") from err
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


def _pieces(text: str, offsets: Offsets, room: int) -> list[str]:
    """Returns the text, or pieces of it of at most so many tokens, the last one as long as the others."""
    if len(offsets) <= room:
        return [text]
    size = max(room - SPARE, 1)
    step = max(size - size // OVERLAP, 1)
    last = len(offsets) - size
    starts = [*range(0, last, step), last]
    return [text[offsets[start][0] : offsets[start + size - 1][1]] for start in starts]

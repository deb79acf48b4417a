"""Whether a checkpoint's model knows every token of its tokenizer, read from their files alone."""

from __future__ import annotations

from pathlib import Path

from ....errors import ModelNotFoundError
from ..folder import read_object

__all__ = ["check_vocabulary"]


def check_vocabulary(place: Path, folder: Path) -> None:
    """Raises unless the model has a vector for every token: torch fails at one that it lacks, in the middle of a run.

    Args:
        place: The transformer's folder.
        folder: The checkpoint's, which may hold the tokenizer in its stead.

    Raises:
        ModelNotFoundError: The tokenizer has more tokens than the model.
    """
    config = read_object(place / "config.json")
    size = (config.get("text_config") or config).get("vocab_size")
    path = next((it for it in (place / "tokenizer.json", folder / "tokenizer.json") if it.is_file()), None)
    if path is None or not isinstance(size, int):
        return
    largest = _largest_token(path)
    if largest >= size:
        raise ModelNotFoundError(
            f"{path} has tokens up to number {largest}, and its model knows {size}, from 0 on: put the tokenizer there "
            "that the checkpoint was trained with"
        )


def _largest_token(path: Path) -> int:
    tokenizer = read_object(path)
    vocabulary = (tokenizer.get("model") or {}).get("vocab") or {}
    ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))  # Unigram has a list
    return max([*ids, *(token["id"] for token in tokenizer.get("added_tokens") or ())], default=-1)

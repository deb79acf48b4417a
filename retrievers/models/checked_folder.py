"""What a model's folder must hold to be served, and must not, before its settings are read."""

from __future__ import annotations

from pathlib import Path

from ...errors import ModelNotFoundError
from .folder import read_object

__all__ = ["check_files"]

CODE = ("config.json", "tokenizer_config.json", "processor_config.json")  # where code of a model's own is named


def check_files(folder: Path, *, what: str) -> None:
    """Raises unless a folder has a model's settings and a fast tokenizer, and brings no code of its own.

    Args:
        folder: As transformers or sentence-transformers writes it.
        what: What the model is, for the messages.

    Raises:
        ModelNotFoundError: It does not, or it does.
    """
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        raise ModelNotFoundError(f"{folder} holds no {what}: neither modules.json nor config.json is there")
    for name in CODE:
        if read_object(folder / name).get("auto_map"):
            raise ModelNotFoundError(
                f"the {what} in {folder} brings code of its own (auto_map in {name}), which is never run: use one of "
                "an architecture that transformers knows"
            )
    if not (folder / "tokenizer.json").is_file():
        raise ModelNotFoundError(f"{folder / 'tokenizer.json'} is missing: save the model once with its fast tokenizer")

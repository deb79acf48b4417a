"""The shapes of the tensors in a safetensors file, from its header alone."""

from __future__ import annotations

import json
from pathlib import Path

from ..folder import HEADER_BYTES, header_length

__all__ = ["tensor_shapes"]


def tensor_shapes(weights: Path) -> dict[str, list[int]]:
    """Returns each tensor's shape by its name.

    Raises:
        ModelNotFoundError: It is no whole safetensors file.
        ValueError: Its header is damaged.
    """
    length = header_length(weights)
    with weights.open("rb") as file:
        file.seek(HEADER_BYTES)
        header = json.loads(file.read(length))
    return {name: list(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}

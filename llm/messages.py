"""What a chat model is sent: turns of text, or of text and pictures, in OpenAI's format."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TypeAlias

__all__ = ["Content", "Turn", "image_part", "text_part"]

Content: TypeAlias = str | Sequence[Mapping[str, object]]
Turn: TypeAlias = Mapping[str, Content]  # "role", and "content": a text, or parts


def text_part(text: str) -> dict[str, object]:
    """Returns a text as one part of a turn's content."""
    return {"type": "text", "text": text}


def image_part(png: bytes) -> dict[str, object]:
    """Returns a picture as one part of a turn's content; it travels in the request, no server fetches it.

    Args:
        png: The bytes of a PNG file.
    """
    url = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
    return {"type": "image_url", "image_url": {"url": url}}

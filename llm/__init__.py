"""The one client for chat models: deadlines, retries, a breaker, token use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .client import ChatClient, ChatStream
    from .messages import Content, Turn, image_part, text_part
    from .settings import Deadlines, Retries, Usage
    from .thoughts import ThoughtCutter, without_thought

__all__ = [
    "ChatClient",
    "ChatStream",
    "Content",
    "Deadlines",
    "Retries",
    "ThoughtCutter",
    "Turn",
    "Usage",
    "image_part",
    "text_part",
    "without_thought",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ChatClient": "client",
        "ChatStream": "client",
        "Content": "messages",
        "Deadlines": "settings",
        "Retries": "settings",
        "ThoughtCutter": "thoughts",
        "Turn": "messages",
        "Usage": "settings",
        "image_part": "messages",
        "text_part": "messages",
        "without_thought": "thoughts",
    },
)

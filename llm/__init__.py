"""The one client for chat models: deadlines, retries, a breaker, token use."""

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

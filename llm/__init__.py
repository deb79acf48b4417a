"""The one client for chat models: deadlines, retries, a breaker, token use."""

from .client import ChatClient, ChatStream
from .settings import Deadlines, Retries, Usage

__all__ = ["ChatClient", "ChatStream", "Deadlines", "Retries", "Usage"]

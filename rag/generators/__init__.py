"""A question and its passages to the text of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .extractive import ExtractiveGenerator
    from .generator import Generator, ScriptedGenerator
    from .openai_chat import OpenAIGenerator

__all__ = ["ExtractiveGenerator", "Generator", "OpenAIGenerator", "ScriptedGenerator"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ExtractiveGenerator": "extractive",
        "Generator": "generator",
        "OpenAIGenerator": "openai_chat",
        "ScriptedGenerator": "generator",
    },
)

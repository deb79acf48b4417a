"""A question and its passages to the text of an answer."""

from .extractive import ExtractiveGenerator
from .generator import Generator, ScriptedGenerator
from .openai_chat import OpenAIGenerator

__all__ = ["ExtractiveGenerator", "Generator", "OpenAIGenerator", "ScriptedGenerator"]

"""What comes behind a transformer, in numpy: pooling, dense layers and normalisation, as a model's files state them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ....errors import ModelNotFoundError
from ..folder import TRANSFORMER_CONFIGS, ModelLayout, ModelModule

__all__ = ["VectorHead", "read_head", "refusal"]

Vectors: TypeAlias = NDArray[np.float32]
Step: TypeAlias = Callable[[Vectors], Vectors]

ACTIVATIONS: Mapping[str, Step] = {
    "torch.nn.modules.activation.Tanh": np.tanh,
    "torch.nn.modules.linear.Identity": lambda vectors: vectors,
}
DEFAULT_ACTIVATION = "torch.nn.modules.activation.Tanh"  # of a Dense layer whose settings name none
POOLINGS = ("cls", "max", "mean")
# What a transformer's settings may say; where they say anything else, its input or output is another one.
PLAIN_TRANSFORMER: Mapping[str, Any] = {
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}
FREE_SETTINGS = ("max_seq_length", "do_lower_case")  # whatever they are, the exported tokenizer follows them


@dataclass(frozen=True, slots=True)
class VectorHead:
    """The way from token vectors to a text's vector.

    Args:
        poolings: How a text's token vectors become one; the results of several are joined.
        include_prompt: Whether the prompt's tokens are pooled, too.
        steps: What is done to the pooled vectors, in order.
    """

    poolings: tuple[str, ...]
    include_prompt: bool
    steps: tuple[Step, ...]

    def apply(self, tokens: Vectors, lengths: Sequence[int], prompt_length: int) -> Vectors:
        """Returns the texts' vectors, shape (texts, dim), which may be a view of `tokens`.

        Args:
            tokens: Token vectors, shape (texts, longest, width), padded on the right.
            lengths: How many of each text's are no padding.
            prompt_length: How many tokens at a text's start are the prompt's.
        """
        start = 0 if self.include_prompt else prompt_length
        spans = [row[min(start, length) : length] for row, length in zip(tokens, lengths, strict=True)]
        pooled = [_pool(span, how) for span in spans for how in self.poolings]
        vectors = pooled[0][None] if len(pooled) == 1 else np.array(pooled).reshape(len(spans), -1)
        for step in self.steps:
            vectors = step(vectors)
        return vectors


def refusal(layout: ModelLayout) -> str | None:
    """Returns what in a model this package can't do without sentence-transformers, None when it can do all of it."""
    for modules in (layout.query, layout.document):
        if [module.type for module in modules[:2]] != ["Transformer", "Pooling"]:
            return f"it begins with {' and '.join(module.type for module in modules[:2])}"
        for module in modules:
            if reason := REFUSALS.get(module.type, _unknown_module)(module):
                return reason
    return None


def read_head(modules: Sequence[ModelModule]) -> VectorHead:
    """Returns what comes behind the transformer; `refusal` has said that all of it is known.

    A normalisation at the end is left out: an encoder ends with one of its own.

    Raises:
        ModelNotFoundError: A layer's weights can't be read.
    """
    pooling = modules[1].config
    behind = list(modules[2:])
    while behind and behind[-1].type == "Normalize":
        behind.pop()
    steps = [_normalise if module.type == "Normalize" else _dense(module) for module in behind]
    return VectorHead(tuple(pooling["modes"]), bool(pooling["include_prompt"]), tuple(steps))


def _pool(span: Vectors, how: str) -> Vectors:
    """Returns one vector of a text's token vectors; a text of which only the prompt was read has none to pool."""
    if how == "cls":
        pooled = span[0] if len(span) else np.zeros(span.shape[1], np.float32)
    elif how == "max":
        pooled = span.max(axis=0, initial=-np.inf)
    else:
        pooled = np.add.reduce(span, axis=0) / max(len(span), 1)
    return np.asarray(pooled, np.float32)


def _normalise(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)  # torch's own lower bound


def _dense(module: ModelModule) -> Step:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights = load_file(module.weights[0])
        matrix = weights["linear.weight"].astype(np.float32).T
        bias = weights["linear.bias"].astype(np.float32) if module.config.get("bias", True) else np.float32(0)
    except (SafetensorError, LookupError, OSError, TypeError, AttributeError) as err:
        raise ModelNotFoundError(f"the weights in {module.path} can't be read: {str(err)[:200]}") from err
    activation = ACTIVATIONS[module.config.get("activation_function", DEFAULT_ACTIVATION)]
    return lambda vectors: activation(vectors @ matrix + bias)


def _transformer_refusal(module: ModelModule) -> str | None:
    path = next((path for name in TRANSFORMER_CONFIGS if (path := module.path / name).is_file()), None)
    settings = json.loads(path.read_text(encoding="utf-8")) if path else {}
    for name, value in settings.items():
        if name not in FREE_SETTINGS and value and value != PLAIN_TRANSFORMER.get(name):
            return f"its transformer's setting {name} is {str(value)[:80]!r}"
    return None


def _pooling_refusal(module: ModelModule) -> str | None:
    unknown = [mode for mode in module.config["modes"] if mode not in POOLINGS]
    return f"its pooling is {unknown[0]!r}" if unknown else None


def _dense_refusal(module: ModelModule) -> str | None:
    config = module.config
    if (activation := config.get("activation_function", DEFAULT_ACTIVATION)) not in ACTIVATIONS:
        return f"the activation of its Dense layer is {activation!r}"
    names = {config.get("module_input_name"), config.get("module_output_name")} - {None, "sentence_embedding"}
    if config.get("use_residual") or names or len(module.weights) != 1:
        return "its Dense layer has a residual, other inputs or outputs, or weights in several files"
    return None


def _unknown_module(module: ModelModule) -> str:
    return f"it has a module {module.type}"


REFUSALS: Mapping[str, Callable[[ModelModule], str | None]] = {
    "Transformer": _transformer_refusal,
    "Pooling": _pooling_refusal,
    "Dense": _dense_refusal,
    "Normalize": lambda _: None,
}

"""What a cross-encoder's folder says about the model, read from its JSON files without loading it or torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ....errors import ModelNotFoundError
from ..checked_folder import check_files
from ..folder import (
    ModelModule,
    read_json,
    read_object,
    readable_settings,
    transformer_config,
    type_name,
    weights_of,
)

__all__ = ["Activation", "CrossEncoderCheckpoint", "read_cross_encoder"]

Activation: TypeAlias = Literal["sigmoid", "none"]

ACTIVATIONS: Mapping[str, Activation] = {"Sigmoid": "sigmoid", "Identity": "none"}  # of torch, by their bare names
MODEL_TYPE = "CrossEncoder"  # what sentence-transformers writes beside modules.json
HEADED = "ForSequenceClassification"  # how transformers' architectures with a score end
DEFAULT_LABELS = 2  # of transformers, for a config.json that names none
MIN_LENGTH = 16  # tokens: with fewer there is no room for a question and a sentence


@dataclass(frozen=True, slots=True)
class CrossEncoderCheckpoint:
    """How a cross-encoder turns a pair of texts into a number.

    Args:
        path: Its folder.
        modules: The transformer with its head, or the transformer and what comes behind it.
        max_length: How many tokens of a pair it reads, special tokens included; None without a limit.
        lower_case: Whether texts are lowercased before the tokenizer sees them.
        prompt: What is put before the query.
        activation: What the files say that its number passes: "sigmoid" to [0, 1], or "none"; None for anything else.
    """

    path: Path
    modules: tuple[ModelModule, ...]
    max_length: int | None
    lower_case: bool
    prompt: str
    activation: Activation | None


def read_cross_encoder(folder: Path) -> CrossEncoderCheckpoint:
    """Returns how the cross-encoder in a folder works.

    Args:
        folder: As sentence-transformers' `CrossEncoder` writes it: with modules.json, or, before version 6, as a
            transformer for sequence classification.

    Raises:
        ModelNotFoundError: The folder holds no cross-encoder, one of several labels, weights other than safetensors
            only, code of its own, or settings that make no sense.
    """
    with readable_settings(folder, what="cross-encoder"):
        return _read(folder)


def _read(folder: Path) -> CrossEncoderCheckpoint:
    check_files(folder, what="model")
    _check_kind(folder)
    modules = _modules(folder)
    labels = _labels(folder, modules)
    if labels != 1:
        raise ModelNotFoundError(
            f"the model in {folder} gives {labels} labels a pair, and a reranker needs one score: name a cross-encoder "
            "for ranking (num_labels=1)"
        )
    limit = modules[0].config.get("max_length")
    if limit is not None and limit < MIN_LENGTH:
        raise ModelNotFoundError(f"the model in {folder} says that it reads {limit} tokens; {MIN_LENGTH} is the least")
    settings = read_object(folder / "config_sentence_transformers.json")
    prompt = (settings.get("prompts") or {}).get(settings.get("default_prompt_name")) or ""
    if not isinstance(prompt, str):
        raise TypeError(f"the prompt {str(prompt)[:40]!r} is no text")
    lower_case = bool(modules[0].config.get("do_lower_case"))
    return CrossEncoderCheckpoint(folder, modules, limit, lower_case, prompt, _activation(folder, settings))


def _check_kind(folder: Path) -> None:
    if (folder / "modules.json").is_file():
        kind = read_object(folder / "config_sentence_transformers.json").get("model_type", "SentenceTransformer")
        if kind != MODEL_TYPE:  # sentence-transformers would put a head of random weights behind it
            raise ModelNotFoundError(f"the model in {folder} is a {str(kind)[:40]}, no cross-encoder")


def _modules(folder: Path) -> tuple[ModelModule, ...]:
    path = folder / "modules.json"
    if not path.is_file():
        weights = weights_of(folder, "Transformer", is_root=True)
        return (ModelModule("Transformer", folder, transformer_config(folder), weights),)
    modules = []
    for entry in read_json(path):
        place, bare = folder / entry["path"], type_name(entry["type"], folder)
        config = transformer_config(place) if bare == "Transformer" else read_object(place / "config.json")
        modules.append(ModelModule(bare, place, config, weights_of(place, bare, is_root=not entry["path"])))
    if not modules or modules[0].type != "Transformer":
        raise ModelNotFoundError(f"{path} must begin with a Transformer")
    return tuple(modules)


def _labels(folder: Path, modules: Sequence[ModelModule]) -> int:
    """Returns how many numbers a pair gets from the last module that sets it."""
    for module in reversed(modules):
        if module.type == "LogitScore":
            return 1
        if module.type == "Dense" and module.config.get("module_output_name") == "scores":
            return int(module.config["out_features"])
    config = read_object(modules[0].path / "config.json")
    architectures = [str(name) for name in config.get("architectures") or []]
    if not any(name.endswith(HEADED) for name in architectures):
        raise ModelNotFoundError(
            f"the model in {folder} is no cross-encoder: its config.json names the architecture "
            f"{', '.join(architectures)[:80] or 'none'}, and that of one with a score ends in {HEADED}"
        )
    labels: Any = config.get("id2label")
    return len(labels) if labels else int(config.get("num_labels", DEFAULT_LABELS))


def _activation(folder: Path, settings: Mapping[str, Any]) -> Activation | None:
    """Returns what a model's number passes, looked up where and as sentence-transformers does."""
    config = read_object(folder / "config.json")
    named = (
        settings.get("activation_fn")
        or (config.get("sentence_transformers") or {}).get("activation_fn")
        or config.get("sbert_ce_default_activation_function")
    )
    if named is None or not named.startswith("torch."):
        return "sigmoid"  # its default, which stands in for code of other packages, too
    return ACTIVATIONS.get(named.rpartition(".")[2])

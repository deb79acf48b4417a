"""What a bi-encoder's folder says about the model, read from its JSON files without loading it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ...errors import ModelNotFoundError

__all__ = [
    "ModelFolder",
    "ModelLayout",
    "ModelModule",
    "header_length",
    "prompt_of",
    "read_json",
    "read_layout",
    "read_object",
    "readable_settings",
    "transformer_config",
    "type_name",
    "weights_of",
]

Place: TypeAlias = Literal["local folder", "local cache", "bundled", "hub"]

TRUSTED_TYPES = "sentence_transformers."  # a module of another package would be code that the model brings along
DOCUMENT_PROMPTS = (
    "document",
    "passage",
    "corpus",
)  # the names that models in the wild use, as sentence-transformers tries them
TRANSFORMER_CONFIGS = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")  # what they adapt is not in the folder
LEGACY_POOLING = {  # the old switches and what they are called now, in the order in which their vectors are joined
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
UNLIMITED = 10**9  # tokenizers without a limit say 10**30
MAX_DIM = 1_000_000  # beyond any vector's length: a damaged file, and not worth the memory
REASON_CHARS = 200
HEADER_BYTES = 8  # of a safetensors file: the length of the JSON header behind them


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model that was found.

    Args:
        name: The name or path that the user gave.
        path: The folder.
        place: Where it was found.
    """

    name: str
    path: Path
    place: Place


@dataclass(frozen=True, slots=True)
class ModelModule:
    """One step of a model, such as Transformer, Pooling, Dense or Normalize.

    Args:
        type: The class's bare name, which did not change when sentence-transformers moved its modules.
        path: Its folder.
        config: Its settings in one spelling, whatever version wrote them.
        weights: Its safetensors files, in a fixed order.
    """

    type: str
    path: Path
    config: Mapping[str, Any]
    weights: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class ModelLayout:
    """How a model turns text into a vector.

    Args:
        query: The modules that a query passes, in order.
        document: The modules that a document passes; the same ones but in two-tower models.
        query_prompt: What is put before a query.
        document_prompt: What is put before a document.
        max_length: How many tokens it reads, special tokens and prompt included, None without a limit.
        dim: Length of its vectors.
        lower_case: Whether texts are lowercased before the tokenizer sees them.
    """

    query: tuple[ModelModule, ...]
    document: tuple[ModelModule, ...]
    query_prompt: str
    document_prompt: str
    max_length: int | None
    dim: int
    lower_case: bool


def read_layout(folder: Path) -> ModelLayout:
    """Returns how the model in a folder works.

    Args:
        folder: As sentence-transformers writes it, or with a bare transformer, which then gets mean pooling.

    Raises:
        ModelNotFoundError: The folder holds no model, weights other than safetensors only, an adapter, code of its
            own, or settings that make no sense.
    """
    with readable_settings(folder, what="model"):
        return _layout(folder)


@contextmanager
def readable_settings(folder: Path, *, what: str) -> Iterator[None]:
    """Turns whatever settings that make no sense raise into one error.

    Args:
        folder: The model's.
        what: What the model is, for the message.

    Raises:
        ModelNotFoundError: What runs inside fails on a value.
    """
    try:
        yield
    except (OSError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError) as err:
        reason = f"{type(err).__name__}: {str(err)[:REASON_CHARS]}"
        raise ModelNotFoundError(f"the {what} in {str(folder)[:REASON_CHARS]} has damaged settings ({reason})") from err


def _layout(folder: Path) -> ModelLayout:
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        raise ModelNotFoundError(f"{folder} holds no model: neither modules.json nor config.json is there")
    query, document = _read_modules(folder, "query"), _read_modules(folder, "document")
    settings = read_object(folder / "config_sentence_transformers.json")
    prompts = settings.get("prompts") or {}
    query_prompt, document_prompt = prompt_of(prompts, ("query",)), prompt_of(prompts, DOCUMENT_PROMPTS)
    dim = _dimension(document, folder)
    dim = int(min(dim, settings.get("truncate_dim") or dim))
    if not 0 < dim <= MAX_DIM:
        raise ModelNotFoundError(f"the model in {folder} says that its vectors have {dim} dimensions")
    first = document[0].config
    max_length, lower_case = first.get("max_length"), bool(first.get("do_lower_case"))
    if max_length is not None and max_length < 1:
        raise ModelNotFoundError(f"the model in {folder} says that it reads {max_length} tokens")
    return ModelLayout(query, document, query_prompt, document_prompt, max_length, dim, lower_case)


def _read_modules(folder: Path, side: str) -> tuple[ModelModule, ...]:
    """Returns the modules that a text of one side passes, routers replaced by the route that they choose."""
    path = folder / "modules.json"
    if not path.is_file():
        transformer = _module("Transformer", folder, is_root=True)
        pooling = {"modes": ["mean"], "include_prompt": True}
        return (transformer, ModelModule("Pooling", folder, pooling, ()))
    modules: list[ModelModule] = []
    for entry in read_json(path):
        place = folder / entry["path"]
        bare = type_name(entry["type"], folder)
        if bare in ("Router", "Asym"):
            modules.extend(_route(place, side, folder))
        else:
            modules.append(_module(bare, place, is_root=not entry["path"]))
    if not modules:
        raise ModelNotFoundError(f"{path} names no module")
    return tuple(modules)


def _route(place: Path, side: str, folder: Path) -> list[ModelModule]:
    config = read_object(place / "router_config.json") or read_object(place / "config.json")
    structure = config.get("structure", {})
    route = structure.get(side) or structure.get(config.get("parameters", {}).get("default_route"))
    if not route:
        raise ModelNotFoundError(f"the model in {folder} has no route for a {side}; its routes are {sorted(structure)}")
    return [_module(type_name(config["types"][name], folder), place / name, is_root=False) for name in route]


def type_name(dotted: str, folder: Path) -> str:
    """Returns a module's type without its package.

    Raises:
        ModelNotFoundError: It is code of the model's own.
    """
    if not dotted.startswith(TRUSTED_TYPES):
        raise ModelNotFoundError(f"the model in {folder} needs code of its own ({dotted[:80]!r}), which is never run")
    return dotted.rpartition(".")[2]


def _module(bare_type: str, place: Path, *, is_root: bool) -> ModelModule:
    config = transformer_config(place) if bare_type == "Transformer" else read_object(place / "config.json")
    if bare_type == "Pooling":
        config = _pooling_config(config)
    elif bare_type == "Normalize":
        config = {}
    return ModelModule(bare_type, place, config, weights_of(place, bare_type, is_root=is_root))


def weights_of(place: Path, bare_type: str, *, is_root: bool) -> tuple[Path, ...]:
    """Returns a module's weights: what an index of shards lists, or every safetensors file of the folder."""
    if is_root and bare_type != "Transformer" and bare_type != "StaticEmbedding":
        return ()
    shards = read_object(place / "model.safetensors.index.json").get("weight_map", {})
    names = ["model.safetensors"] if (place / "model.safetensors").is_file() else sorted(set(shards.values()))
    if adapters := [name for name in ADAPTER_FILES if (place / name).is_file()]:
        raise ModelNotFoundError(
            f"{place} holds an adapter ({adapters[0]}) to another model: merge it and save the whole"
        )
    found = [place / name for name in names] or sorted(place.glob("*.safetensors"))
    pickles = sorted(path.name for pattern in ("*.bin", "*.pt") for path in place.glob(pattern))
    if missing := [path.name for path in found if not path.is_file()]:
        raise ModelNotFoundError(f"{place} is incomplete: {missing[0]} is missing")
    if not found and (pickles or bare_type == "Transformer"):
        seen = f"only {pickles[0]}, a pickle, which is never loaded: convert it" if pickles else "none"
        raise ModelNotFoundError(f"{place} needs weights as safetensors and has {seen}")
    for path in found:
        header_length(path)
    return tuple(found)


def transformer_config(place: Path) -> dict[str, Any]:
    """Returns what decides a transformer's input, and the width of its output."""
    own = next((read_object(place / name) for name in TRANSFORMER_CONFIGS if (place / name).is_file()), {})
    model = read_object(place / "config.json")
    text_model = model.get("text_config") or model
    limits = [read_object(place / "tokenizer_config.json").get("model_max_length")]
    limits.append(
        None if text_model.get("max_position_embeddings") == -1 else text_model.get("max_position_embeddings")
    )
    limit = own.get("max_seq_length") or min((value for value in limits if value), default=math.inf)
    widths = [text_model.get(key) for key in ("hidden_size", "d_model", "dim", "n_embd")]
    return {
        "do_lower_case": bool(own.get("do_lower_case")),
        "max_length": int(limit) if limit < UNLIMITED else None,
        "dim": next((width for width in widths if width), None),
    }


def _pooling_config(config: Mapping[str, Any]) -> dict[str, Any]:
    modes = config.get("pooling_mode") or [now for old, now in LEGACY_POOLING.items() if config.get(old)] or ["mean"]
    width = config.get("embedding_dimension", config.get("word_embedding_dimension"))
    modes = [modes] if isinstance(modes, str) else list(modes)
    return {"modes": modes, "include_prompt": config.get("include_prompt", True), "dim": width}


def _dimension(modules: Sequence[ModelModule], folder: Path) -> int:
    """Returns the length of the vectors that come out of the last module that sets it."""
    width: int | None = None
    for module in modules:
        if module.type == "Pooling":
            width = (module.config.get("dim") or width or 0) * len(module.config["modes"])
        elif module.type == "StaticEmbedding":
            width = _table_width(module.weights[0])
        else:
            width = module.config.get("out_features") or module.config.get("dim") or width
    if not width:
        raise ModelNotFoundError(f"the model in {folder} does not say how long its vectors are")
    return int(width)


def _table_width(weights: Path) -> int:
    """Returns the width of the largest table in a safetensors file, from its header."""
    length = header_length(weights)
    with weights.open("rb") as file:
        file.seek(HEADER_BYTES)
        header = json.loads(file.read(length))
    shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    return int(max(shapes, key=math.prod)[-1])


def header_length(weights: Path) -> int:
    """Returns the length of a safetensors file's header, once the file is known to hold that much."""
    with weights.open("rb") as file:
        length = int.from_bytes(file.read(HEADER_BYTES), "little")
    size = weights.stat().st_size
    if size <= HEADER_BYTES or length > size - HEADER_BYTES:
        raise ModelNotFoundError(
            f"{weights} is no whole safetensors file, at {size:,} bytes: download it again (`git lfs pull`, if it is a "
            "pointer of git-lfs)"
        )
    return length


def prompt_of(prompts: Mapping[str, str | None], names: Sequence[str]) -> str:
    """Returns the first prompt that a model sets; an empty one counts as set only when no other is."""
    found = next((prompt for name in names if (prompt := prompts.get(name))), "")
    if not isinstance(found, str):
        raise TypeError(f"the prompt {str(found)[:40]!r} is no text")
    return found


def read_json(path: Path) -> Any:  # noqa: ANN401 (what a JSON file holds)
    """Returns what a JSON file of a model holds.

    Raises:
        ModelNotFoundError: It can't be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as err:
        raise ModelNotFoundError(f"{path} can't be read: {err}") from err


def read_object(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a file, the empty one when there is no file."""
    value = read_json(path) if path.is_file() else {}
    if not isinstance(value, dict):
        raise ModelNotFoundError(f"{path} must hold a JSON object")
    return value

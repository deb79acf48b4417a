"""ColBERT checkpoints as sentence-transformers and PyLate write them, read without loading them."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ....errors import ModelNotFoundError
from ..folder import (
    DOCUMENT_PROMPTS,
    MAX_DIM,
    TRANSFORMER_CONFIGS,
    ModelModule,
    prompt_of,
    read_json,
    read_object,
    transformer_config,
    type_name,
    weights_of,
)
from .checkpoint import ColbertCheckpoint, Expansion, SideSettings
from .shapes import tensor_shapes

__all__ = ["read_multi_vector"]

PYLATE_DENSE = (
    "pylate.models.Dense.Dense"  # the same layer under PyLate's name; sentence-transformers loads it as its own
)
PYLATE_MARKS = (  # one of them in the settings, and PyLate's defaults hold, as sentence-transformers reads them
    "query_length",
    "document_length",
    "query_expansion",
    "do_query_expansion",
    "attend_to_expansion_tokens",
    "attend_to_mask_tokens",
    "query_prefix",
    "document_prefix",
    "skiplist_words",
)
EXPANSION_LENGTH = 32  # PyLate's, where a checkpoint says nothing
MULTI_VECTOR_TYPES = ("MultiVectorEncoder", "ColBERT")  # ours and PyLate 3's
ROW_MODULES = ("Transformer", "Dense", "MultiVectorMask", "Normalize")  # with others a row is no token any more
TOKEN_INPUT = "token_embeddings"


def read_multi_vector(folder: Path) -> ColbertCheckpoint:
    """Returns how the checkpoint in a folder with modules.json works; see `read_checkpoint`.

    Raises:
        ModelNotFoundError: It is a model of another kind, needs other modules, or its weights don't fit its settings.
    """
    settings = read_object(folder / "config_sentence_transformers.json")
    is_pylate = any(name in settings for name in PYLATE_MARKS)
    if settings.get("model_type") not in MULTI_VECTOR_TYPES and not is_pylate:
        kind = settings.get("model_type") or "a bi-encoder"
        raise ModelNotFoundError(f"the model in {folder} is no ColBERT checkpoint: its settings say {str(kind)[:40]}")
    placed = [(_type(entry["type"], folder), folder / entry["path"]) for entry in read_json(folder / "modules.json")]
    _check_modules(placed, folder, normalised=is_pylate)
    modules = tuple(_module(bare, place, is_root=place == folder) for bare, place in placed if bare in ROW_MODULES[:2])
    transformer = placed[0][1]
    own = next((read_object(transformer / name) for name in TRANSFORMER_CONFIGS if (transformer / name).is_file()), {})
    mask = next((read_object(place / "config.json") for bare, place in placed if bare == "MultiVectorMask"), None)
    limit = transformer_config(transformer)["max_length"]
    expansion = _expansion(own, settings, is_pylate=is_pylate)
    prompts, registered = _prompts(settings)
    skip = _skip(mask, settings, is_pylate=is_pylate)
    return ColbertCheckpoint(
        path=folder,
        format="sentence-transformers",
        dim=_dimension(modules, folder),
        query=SideSettings(_query_length(own, settings, expansion, limit), None, prompts["query"], skip["query"]),
        document=SideSettings(
            _least(own.get("document_length", settings.get("document_length")), limit),
            None,
            prompts["document"],
            skip["document"],
        ),
        expansion=expansion[0] if expansion else None,
        lower_case=bool(own.get("do_lower_case")),
        registered=registered,
        modules=modules,
    )


def _type(dotted: str, folder: Path) -> str:
    return "Dense" if dotted == PYLATE_DENSE else type_name(dotted, folder)


def _check_modules(placed: Sequence[tuple[str, Path]], folder: Path, *, normalised: bool) -> None:
    """Makes sure that every row stands for one token and is normalised."""
    types = [bare for bare, _ in placed]
    if not types or types[0] != "Transformer" or types.count("Transformer") > 1:
        raise ModelNotFoundError(f"the ColBERT checkpoint in {folder} must begin with its one Transformer, got {types}")
    if unknown := sorted(set(types) - set(ROW_MODULES)):
        raise ModelNotFoundError(f"the ColBERT checkpoint in {folder} needs modules that are not served: {unknown}")
    if "Normalize" not in types and not normalised:
        raise ModelNotFoundError(
            f"the ColBERT checkpoint in {folder} does not normalise its vectors, and only cosine is served"
        )


def _module(bare: str, place: Path, *, is_root: bool) -> ModelModule:
    weights = weights_of(place, bare, is_root=is_root)
    if bare == "Transformer":
        return ModelModule(bare, place, {}, weights)
    config = read_object(place / "config.json")
    names = ("in_features", "out_features", "bias", "activation_function", "use_residual")
    used = {name: config.get(name) for name in names}
    if config.get("module_input_name", TOKEN_INPUT) != TOKEN_INPUT:
        raise ModelNotFoundError(
            f"the projection in {place} is not of tokens: it reads {config['module_input_name']!r}"
        )
    shapes = {name: shape for path in weights for name, shape in tensor_shapes(path).items()}
    if shapes.get("linear.weight") != [used["out_features"], used["in_features"]]:
        raise ModelNotFoundError(
            f"the projection in {place} says that it makes {used['out_features']} dimensions of "
            f"{used['in_features']}, and its weights have the shape {shapes.get('linear.weight')}"
        )
    return ModelModule(bare, place, used, weights)


def _dimension(modules: Sequence[ModelModule], folder: Path) -> int:
    width = transformer_config(modules[0].path)["dim"]
    for module in modules[1:]:
        if module.config["in_features"] != width:
            raise ModelNotFoundError(
                f"the projection in {module.path} reads {module.config['in_features']} dimensions and gets {width}"
            )
        width = module.config["out_features"]
    if not isinstance(width, int) or not 0 < width <= MAX_DIM:
        raise ModelNotFoundError(f"the checkpoint in {folder} says that its vectors have {width} dimensions")
    return width


def _expansion(
    own: Mapping[str, Any], settings: Mapping[str, Any], *, is_pylate: bool
) -> tuple[Expansion, bool] | None:
    """Returns how queries are filled up and whether longer ones are cut there, None where they are not filled up."""
    if "query_expansion" in own or "query_expansion" in settings:
        said = own["query_expansion"] if "query_expansion" in own else settings["query_expansion"]
        if said is None:
            return None
        if said["strategy"] not in ("fixed", "min"):
            raise ValueError(f"query_expansion has the strategy {said['strategy']!r}")
        filling = Expansion(int(said["length"]), bool(said.get("attend", False)), said.get("token"))
        return filling, said["strategy"] == "fixed"
    if not is_pylate or settings.get("do_query_expansion") is False:
        return None
    attend = settings.get("attend_to_expansion_tokens", settings.get("attend_to_mask_tokens"))
    return Expansion(int(settings.get("query_length") or EXPANSION_LENGTH), bool(attend)), True


def _query_length(
    own: Mapping[str, Any],
    settings: Mapping[str, Any],
    expansion: tuple[Expansion, bool] | None,
    limit: int | None,
) -> int | None:
    if expansion and expansion[1]:
        return _least(expansion[0].length, limit)
    said = own.get("query_length", settings.get("query_length"))
    if expansion and said is not None:
        said = max(said, expansion[0].length)
    return _least(said, limit)


def _least(said: int | None, limit: int | None) -> int | None:
    if said is not None and (type(said) is not int or said < 1):
        raise ValueError(f"a length of {said!r} tokens")
    return min((value for value in (said, limit) if value is not None), default=None)


def _prompts(settings: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Returns what is put before each side's texts, and the prefixes that must stay one token."""
    saved = dict(settings.get("prompts") or {})
    prefixes = {}
    for name, side in (("query_prefix", "query"), ("document_prefix", "document")):
        if name in settings:
            prefixes[side] = prefix = settings[name] or ""
            saved[side] = prefix + (saved.get(side) or "").removeprefix(prefix)
    prompts = {"query": prompt_of(saved, ("query",)), "document": prompt_of(saved, DOCUMENT_PROMPTS)}
    return prompts, tuple(dict.fromkeys(prefix for prefix in prefixes.values() if prefix.strip()))


def _skip(
    mask: Mapping[str, Any] | None, settings: Mapping[str, Any], *, is_pylate: bool
) -> dict[str, tuple[str, ...]]:
    """Returns the tokens of each side that get no row."""
    if mask and mask.get("keep_only_token_ids"):
        raise ModelNotFoundError("the checkpoint keeps the rows of images only, and texts are what is encoded here")
    if mask is not None:
        words, sides = mask.get("skiplist_words") or (), mask.get("skiplist_tasks") or ["document"]
    else:
        said = settings.get("skiplist_words")
        words, sides = (string.punctuation if said is None else said) if is_pylate else (), ["document"]
    sides = [sides] if isinstance(sides, str) else sides
    return {side: tuple(words) if side in sides else () for side in ("query", "document")}

"""What a ColBERT checkpoint's folder says about the model, read from its files without loading it or torch."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ....errors import ModelNotFoundError
from ...retriever import VectorSpace
from ..checked_folder import check_files
from ..fingerprint import file_sha256
from ..folder import MAX_DIM, ModelModule, read_object, readable_settings, transformer_config, weights_of
from .shapes import tensor_shapes
from .vocabulary import check_vocabulary

__all__ = ["CheckpointFormat", "ColbertCheckpoint", "Expansion", "SideSettings", "read_checkpoint"]

CheckpointFormat: TypeAlias = Literal["stanford", "sentence-transformers"]

VERSION = 1  # of what goes into the fingerprint: another one makes every index's vectors foreign
METADATA = "artifact.metadata"
STANFORD_ARCHITECTURE = "HF_ColBERT"  # what colbert-ai writes, and by what sentence-transformers knows the format
PROJECTION = "linear.weight"
STANFORD_DEFAULTS: Mapping[str, Any] = {  # of colbert-ai's ColBERTConfig, for what a checkpoint leaves out
    "query_token_id": "[unused0]",
    "doc_token_id": "[unused1]",
    "query_maxlen": 32,
    "doc_maxlen": 220,
    "dim": 128,
    "mask_punctuation": True,
    "attend_to_mask_tokens": False,
    "similarity": "cosine",
    "interaction": "colbert",
}
SERVED = {"similarity": "cosine", "interaction": "colbert"}  # a sum of maxima of cosines, and no other score
MIN_LENGTH = 4  # tokens: [CLS], the marker, one of the text, [SEP]


@dataclass(frozen=True, slots=True)
class SideSettings:
    """How a text of one side becomes tokens.

    Args:
        length: At most this many tokens, special ones included; None for all of them.
        marker: A token put behind the first special token, None for none.
        prompt: What is put before the text.
        skip: Tokens that get no row.
    """

    length: int | None
    marker: str | None = None
    prompt: str = ""
    skip: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expansion:
    """How a query is filled up with [MASK], whose rows are part of its matrix.

    Args:
        length: Up to this many tokens.
        attend: Whether the other tokens see the filling.
        token: What fills; None for the tokenizer's mask token.
    """

    length: int
    attend: bool
    token: str | None = None


@dataclass(frozen=True, slots=True)
class ColbertCheckpoint:
    """How a checkpoint turns text into a matrix of token vectors.

    Args:
        path: Its folder.
        format: Who wrote it.
        dim: Length of a token's vector.
        query: How a query is read.
        document: How a document is read.
        expansion: How a query is filled up, None where it is not.
        lower_case: Whether texts are lowercased before the tokenizer sees them.
        registered: Prompts that are one token wherever they stand.
        modules: The transformer and the projections behind it, with their weights.
    """

    path: Path
    format: CheckpointFormat
    dim: int
    query: SideSettings
    document: SideSettings
    expansion: Expansion | None
    lower_case: bool
    registered: tuple[str, ...]
    modules: tuple[ModelModule, ...]

    def space(self, model: str) -> VectorSpace:
        """Returns the space of its vectors; the weights are read once to hash them.

        The fingerprint is a SHA-256 over weights, projections, dimension, both sides' markers, prompts, lengths and
        filters, and the query's expansion. Whatever loads the checkpoint, in whatever precision, makes vectors of this
        space.

        Args:
            model: The name that the user gave.
        """
        expansion = self.expansion
        described = {
            "version": VERSION,
            "modules": [
                [module.type, dict(module.config), [file_sha256(path) for path in module.weights]]
                for module in self.modules
            ],
            "dim": self.dim,
            "sides": [[side.length, side.marker, side.prompt, side.skip] for side in (self.query, self.document)],
            "expansion": expansion and [expansion.length, expansion.attend, expansion.token],
            "lower_case": self.lower_case,
            "registered": self.registered,
        }
        text = json.dumps(described, sort_keys=True, separators=(",", ":"))
        return VectorSpace(hashlib.sha256(text.encode()).hexdigest(), self.dim, model)


def read_checkpoint(folder: Path) -> ColbertCheckpoint:
    """Returns how the ColBERT checkpoint in a folder works.

    Args:
        folder: As colbert-ai and RAGatouille write it (the Stanford format: config.json, `artifact.metadata`, and
            `linear.weight` among the weights), or as sentence-transformers and PyLate do (modules.json). Where both
            are there the Stanford format counts.

    Raises:
        ModelNotFoundError: The folder holds no ColBERT checkpoint, lacks `artifact.metadata`, brings code of its own,
            has weights other than safetensors or of another dimension than it says, or a tokenizer with more tokens
            than the model, scores by another similarity than cosine, or has settings that make no sense.
    """
    from .modules import read_multi_vector

    with readable_settings(folder, what="ColBERT checkpoint"):
        check_files(folder, what="ColBERT checkpoint")
        config = read_object(folder / "config.json")
        if (folder / METADATA).is_file() and STANFORD_ARCHITECTURE in (config.get("architectures") or []):
            found = _read_stanford(folder, config)
        elif (folder / "modules.json").is_file():
            found = read_multi_vector(folder)
        else:
            raise ModelNotFoundError(_what_is_missing(folder, config))
        check_vocabulary(found.modules[0].path, folder)
        return found


def _what_is_missing(folder: Path, config: Mapping[str, Any]) -> str:
    architectures = config.get("architectures") or []
    if not (folder / METADATA).is_file():
        if STANFORD_ARCHITECTURE in architectures:
            return (
                f"{folder} lacks {METADATA}, which holds the checkpoint's dimension, lengths and markers: copy it from "
                "where the checkpoint comes from"
            )
        return f"{folder} holds no ColBERT checkpoint: neither {METADATA} nor modules.json is there"
    return (
        f"{folder} holds no ColBERT checkpoint: its config.json names the architecture "
        f"{', '.join(map(str, architectures)) or 'none'!s}, and one in the Stanford format has {STANFORD_ARCHITECTURE}"
    )


def _read_stanford(folder: Path, config: Mapping[str, Any]) -> ColbertCheckpoint:
    settings = _stanford_settings(folder)
    weights = weights_of(folder, "Transformer", is_root=True)
    dim = settings["dim"]
    _check_projection(folder, weights, dim, config.get("hidden_size") or config.get("dim"))
    limit = transformer_config(folder)["max_length"]
    lengths = {name: min(settings[name], limit or settings[name]) for name in ("query_maxlen", "doc_maxlen")}
    skip = tuple(string.punctuation) if settings["mask_punctuation"] else ()
    return ColbertCheckpoint(
        path=folder,
        format="stanford",
        dim=dim,
        query=SideSettings(lengths["query_maxlen"], settings["query_token_id"]),
        document=SideSettings(lengths["doc_maxlen"], settings["doc_token_id"], skip=skip),
        expansion=Expansion(lengths["query_maxlen"], settings["attend_to_mask_tokens"]),
        lower_case=False,
        registered=(),
        modules=(ModelModule("Transformer", folder, {}, weights),),
    )


def _stanford_settings(folder: Path) -> dict[str, Any]:
    """Returns the settings in `artifact.metadata` that decide the vectors, colbert-ai's own defaults for the others."""
    found = read_object(folder / METADATA)
    found = found["config"] if isinstance(found.get("config"), dict) else found
    settings = {
        name: default if found.get(name) is None else found[name] for name, default in STANFORD_DEFAULTS.items()
    }
    for name, default in STANFORD_DEFAULTS.items():
        if type(settings[name]) is not type(default):
            raise TypeError(f"{name} in {METADATA} must be of type {type(default).__name__}, got {settings[name]!r}")
    for name, only in SERVED.items():
        if settings[name] != only:
            raise ModelNotFoundError(
                f"the checkpoint in {folder} has the {name} {settings[name][:40]!r}, and only {only!r} is served"
            )
    if not 0 < settings["dim"] <= MAX_DIM:
        raise ModelNotFoundError(f"the checkpoint in {folder} says that its vectors have {settings['dim']} dimensions")
    for name in ("query_maxlen", "doc_maxlen"):
        if settings[name] < MIN_LENGTH:
            raise ModelNotFoundError(
                f"the checkpoint in {folder} has a {name} of {settings[name]} tokens, and {MIN_LENGTH} is the least"
            )
    return settings


def _check_projection(folder: Path, weights: Sequence[Path], dim: int, width: int | None) -> None:
    shapes = {name: shape for path in weights for name, shape in tensor_shapes(path).items()}
    if PROJECTION not in shapes:
        raise ModelNotFoundError(
            f"the weights in {folder} have no {PROJECTION}, the projection of a ColBERT checkpoint"
        )
    if shapes[PROJECTION] != [dim, width]:
        raise ModelNotFoundError(
            f"the checkpoint in {folder} says that it projects {width} dimensions to {dim}, and its {PROJECTION} has "
            f"the shape {shapes[PROJECTION]}"
        )

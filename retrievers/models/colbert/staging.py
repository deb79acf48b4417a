"""A folder of links that shows a checkpoint to the libraries that load it, and nothing that they would follow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .checkpoint import METADATA, ColbertCheckpoint

__all__ = ["staged"]

SHOWN = ("*.json", "*.txt", "*.model")  # settings and tokenizer
HIDDEN = ("modules.json", "config_sentence_transformers.json")  # of the other format, where a folder has both
BEHIND_CLS = {"query_token": "[Q]", "doc_token": "[D]"}  # names of the markers that colbert-ai asks for and never reads


@contextmanager
def staged(checkpoint: ColbertCheckpoint) -> Iterator[str]:
    """Gives the path of a folder that holds a Stanford checkpoint as `checkpoint` describes it.

    Its `artifact.metadata` has the settings that were checked and no others. For colbert-ai asks the hub, with
    trust_remote_code, about the model that `model_name` names; it asks the hub about a path that looks like a name, and
    unpickles one that ends in ".dnn". sentence-transformers reads no settings that lie one level deeper, and would take
    modules.json for the truth where a folder has both. The files may go as soon as the model is loaded.

    Args:
        checkpoint: One in the Stanford format.
    """
    with TemporaryDirectory(prefix="lateral-colbert-") as name:
        folder = Path(name).resolve()
        found = {path for pattern in SHOWN for path in checkpoint.path.glob(pattern)}
        for path in found.union(checkpoint.modules[0].weights):
            if path.name not in HIDDEN:
                (folder / path.name).symlink_to(path.resolve())
        (folder / METADATA).write_text(json.dumps(_settings(checkpoint)), encoding="utf-8")
        yield str(folder)


def _settings(checkpoint: ColbertCheckpoint) -> dict[str, object]:
    expansion = checkpoint.expansion
    return {
        "dim": checkpoint.dim,
        "query_maxlen": checkpoint.query.length,
        "doc_maxlen": checkpoint.document.length,
        "query_token_id": checkpoint.query.marker,
        "doc_token_id": checkpoint.document.marker,
        "mask_punctuation": bool(checkpoint.document.skip),
        "attend_to_mask_tokens": expansion is not None and expansion.attend,
        "similarity": "cosine",
        "interaction": "colbert",
        **BEHIND_CLS,
    }

"""ColBERT checkpoints loaded and encoded by RAGatouille.

Source: ColBERT is Khattab and Zaharia 2020 (arXiv:2004.12832).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...retriever import Side
from ..compute import DType, choose_device, choose_dtype
from ..openvino.token_batches import TokenBatch
from .checkpoint import ColbertCheckpoint
from .cures import cure_encoding, import_ragatouille, loading_on, nothing_compiled
from .encoder import LoadedCheckpoint, in_turn
from .loaded import checked_loading
from .staging import staged

__all__ = ["load_with_ragatouille"]


def load_with_ragatouille(checkpoint: ColbertCheckpoint, *, device: str | None, dtype: DType) -> LoadedCheckpoint:
    """Returns a checkpoint that `RAGPretrainedModel.from_pretrained` has loaded.

    Its vectors come from the `doc` and `query` that RAGatouille's own `docFromText` and `queryFromText` call with the
    tokens that they make; the tokens made here are the same ones. In 16 bits it computes under autocast (300
    abstracts of Cranfield, a checkpoint of MiniLM's size: minimum cosine to float32 0.9997, twice as fast).

    Args:
        checkpoint: One in the Stanford format.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the best there is.
        dtype: What to compute in; "auto" is bfloat16 where CPU or GPU has it.

    Raises:
        InvalidArgumentError: The device is not there.
        MissingExtraError: RAGatouille is not installed.
        ModelNotFoundError: The checkpoint can't be loaded.
    """
    chosen = choose_device(device)
    precision = choose_dtype(dtype, chosen)
    model = _from_pretrained(checkpoint, chosen)
    import torch

    reduced = precision != "float32"

    def forward(batch: TokenBatch, side: Side) -> NDArray[np.float32]:
        ids, attended = (torch.from_numpy(batch.inputs[name]) for name in ("input_ids", "attention_mask"))
        encode = model.query if side == "query" else model.doc
        with torch.autocast(chosen.partition(":")[0], dtype=getattr(torch, precision), enabled=reduced):
            vectors = encode(ids, attended)
        array: NDArray[np.float32] = vectors.float().cpu().numpy()
        return array

    return LoadedCheckpoint(in_turn(forward), chosen, precision)


def _from_pretrained(checkpoint: ColbertCheckpoint, device: str) -> Any:  # noqa: ANN401 (a class without types)
    """Returns colbert-ai's Checkpoint; RAGatouille's own object goes, and its settings with it from their stack."""
    with checked_loading(checkpoint, device):
        ragatouille = import_ragatouille()
        with nothing_compiled(), loading_on(device), staged(checkpoint) as folder:
            loaded = ragatouille.RAGPretrainedModel.from_pretrained(folder, verbose=0, index_root=folder)
            model = loaded.model.inference_ckpt
            del loaded
    cure_encoding(model)
    return model

"""ColBERT checkpoints loaded and encoded by sentence-transformers' MultiVectorEncoder.

Source: ColBERT is Khattab and Zaharia 2020 (arXiv:2004.12832).
"""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from ....errors import ModelNotFoundError
from ...retriever import Side
from ..compute import DType, choose_device, choose_dtype
from ..cures import cure_torchvision
from ..openvino.token_batches import TokenBatch
from .checkpoint import ColbertCheckpoint
from .encoder import LoadedCheckpoint, in_turn
from .loaded import checked_loading
from .staging import staged

__all__ = ["load_with_sentence_transformers"]


def load_with_sentence_transformers(
    checkpoint: ColbertCheckpoint, *, device: str | None, dtype: DType
) -> LoadedCheckpoint:
    """Returns a checkpoint that `MultiVectorEncoder` has loaded.

    Args:
        checkpoint: One in any format.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the best there is.
        dtype: What to compute in; "auto" is bfloat16 where CPU or GPU has it.

    Raises:
        InvalidArgumentError: The device is not there.
        ModelNotFoundError: The checkpoint can't be loaded.
    """
    chosen = choose_device(device)
    precision = choose_dtype(dtype, chosen)
    cure_torchvision()
    import torch
    from sentence_transformers import MultiVectorEncoder

    shown = staged(checkpoint) if checkpoint.format == "stanford" else nullcontext(str(checkpoint.path))
    with checked_loading(checkpoint, chosen), shown as folder:
        model = MultiVectorEncoder(
            folder,
            device=chosen,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"dtype": getattr(torch, precision), "use_safetensors": True},
        )
    if model.get_embedding_dimension() != checkpoint.dim:
        raise ModelNotFoundError(
            f"the files in {checkpoint.path} say that vectors have {checkpoint.dim} dimensions, "
            f"and the loaded checkpoint makes {model.get_embedding_dimension()}"
        )
    model.eval()

    def forward(batch: TokenBatch, side: Side) -> NDArray[np.float32]:
        names = ("input_ids", "attention_mask")
        tensors = {name: torch.from_numpy(batch.inputs[name]).to(model.device) for name in names}
        with torch.inference_mode():
            vectors = model({**tensors, "modality": "text"}, task=side)["token_embeddings"]
        array: NDArray[np.float32] = vectors.float().cpu().numpy()
        return array

    return LoadedCheckpoint(in_turn(forward), str(model.device), precision)

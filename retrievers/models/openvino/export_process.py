"""The process that exports a transformer to OpenVINO: it loads torch, so that the process that serves need not."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..batching import BatchLimit
from ..folder import UNLIMITED
from .export import MODEL, REFUSED, TOKENIZER
from .runtime import TELEMETRY, OpenVINORuntime, load_openvino
from .token_batches import BatchTokenizer, Text

if TYPE_CHECKING:
    from sentence_transformers.base.modules import Transformer

__all__ = ["main"]

TOLERANCE = 1e-3  # of the largest value, between the runtimes in float32: rounding is at 1e-5, a wrong mask at 1e-1
SAMPLES = (
    "",
    "How long must I wait?",
    "Ein Satz mit Umlauten: ÄÖÜ, ein\u00a0Abstand, 東京タワー, a flag 🇫🇷 and <b>[SEP]</b> marks",
    "A text that is longer than most models read. " * 1_000,
    "Neither short nor long, " * 9,
)
PAIRS = tuple((asked, text) for asked in SAMPLES[1:3] for text in SAMPLES)  # what a cross-encoder reads
# How plain exceptions of OpenVINO ("basic_ios::clear: iostream error"), tokenizers and torch say that a disk is full or
# memory is short: nothing that another try would meet again.
PASSING = ("iostream", "os error", "No space left", "bad_alloc", "allocate memory", "enough memory", "new thread")


class _Refused(Exception):
    """The model is not one that the light runtime can serve."""


def main(place: str, out: str, task: str) -> None:
    """Writes the graph and the tokenizer of the transformer in a folder, or ends with the reason on stderr.

    Args:
        place: The transformer's folder.
        out: An empty folder to write to; the file "refused.json" in it says that another try would end the same.
        task: "feature-extraction" or "sequence-classification".
    """
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # nothing is reported from here; see load_openvino
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    try:
        _export(place, Path(out), task)
    except (OSError, MemoryError, ImportError):
        raise
    except Exception as err:  # whatever torch, optimum or OpenVINO make of a model that they can't convert
        reason = " ".join(str(err).split())
        if not any(words in reason for words in PASSING):
            (Path(out) / REFUSED).touch()
        sys.exit(reason if isinstance(err, _Refused) else f"{type(err).__name__}: {reason}")


def _export(place: str, out: Path, task: str) -> None:
    from ..cures import cure_torchvision

    cure_torchvision()
    import torch

    reference = _load(place, task, "torch", {"use_safetensors": True, "dtype": torch.float32})
    _write_tokenizer(reference, out)
    exported = _load(place, task, "openvino", {"export": True, "load_in_8bit": False})
    load_openvino().save_model(exported.auto_model.model, out / MODEL, compress_to_fp16=False)
    _compare(reference, out, PAIRS if task == "sequence-classification" else SAMPLES)


def _load(place: str, task: str, backend: str, model_kwargs: Mapping[str, Any]) -> Transformer:
    from sentence_transformers import CrossEncoder
    from sentence_transformers.base.modules import Transformer

    if task == "sequence-classification":  # a folder need not say so: those of older versions hold no modules.json
        whole = CrossEncoder(
            place, device="cpu", local_files_only=True, backend=backend, model_kwargs=dict(model_kwargs)
        )
        transformer: Transformer = whole[0]
    else:
        transformer = Transformer.load(place, local_files_only=True, backend=backend, model_kwargs=dict(model_kwargs))
    if transformer.transformer_task != task:
        raise _Refused(f"it is made for {transformer.transformer_task}, not for {task}")
    return transformer


def _write_tokenizer(transformer: Transformer, out: Path) -> None:
    tokenizer = transformer.tokenizer
    if tokenizer is None or tokenizer is not transformer.processor or not tokenizer.is_fast:
        raise _Refused("it has no fast tokenizer, or reads more than text")
    if (tokenizer.padding_side, tokenizer.truncation_side) != ("right", "right"):
        raise _Refused("its tokenizer pads or cuts on the left")
    if tokenizer.pad_token_id is None:
        raise _Refused("its tokenizer has no token to pad with")
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.enable_padding(
        pad_id=tokenizer.pad_token_id, pad_type_id=tokenizer.pad_token_type_id, pad_token=tokenizer.pad_token
    )
    backend.save(str(out / TOKENIZER))


def _compare(reference: Transformer, out: Path, samples: Sequence[Text]) -> None:
    """Makes sure that the written files say what torch says: alone, in a batch, empty, cut, and of many scripts."""
    runtime = OpenVINORuntime(out / MODEL, precision="float32")
    limit = reference.max_seq_length
    tokenizer = BatchTokenizer(out / TOKENIZER, max_length=limit if limit and limit < UNLIMITED else None, step=1)
    for together in (BatchLimit(1, 1), BatchLimit(len(samples), sys.maxsize)):
        for batch, outputs in runtime.run(tokenizer.batches(samples, together)):
            [ours] = outputs.values()
            theirs = _reference_output(reference, [samples[position] for position in batch.positions])
            if theirs.shape != ours.shape:
                raise _Refused(f"OpenVINO gives arrays of shape {ours.shape}, torch {theirs.shape}")
            known = batch.inputs["attention_mask"].astype(bool) if ours.ndim == 3 else slice(None)
            difference = np.abs(ours - theirs)[known].max() / np.abs(theirs[known]).max()
            if not difference <= TOLERANCE:  # also when it is NaN
                raise _Refused(f"OpenVINO's output differs from torch's by {difference:.1e} of the largest value")


def _reference_output(reference: Transformer, texts: list[Text]) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        features: dict[str, Any] = reference.eval()(reference.preprocess(texts))
    array: NDArray[np.float32] = features[reference.module_output_name].float().numpy()
    return array

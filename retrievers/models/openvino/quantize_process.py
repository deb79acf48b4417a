"""The process that brings an exported transformer to 8-bit integers: NNCF takes seconds to import, and prints."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path

from ....extras import require
from ..batching import BatchLimit
from ..compute import cpu_saturates
from .export import MODEL, TOKENIZER
from .runtime import TELEMETRY, load_openvino
from .token_batches import BatchTokenizer

__all__ = ["main"]

# How much of the activations' range goes over to the weights. Of 0.6, 0.75, 0.85 and 0.95 (NNCF's default) it loses
# least nDCG@10 on Cranfield and XQuAD-en together.
SMOOTHING = 0.75
# In 8 bits OpenVINO 2026.4 lets attention see some of the padding: 3 points of nDCG@10 lost for queries.
LEFT_AS_IT_IS = ["ScaledDotProductAttention"]
# An x86 without VNNI adds products of bytes in pairs, in 16 bits that saturate (NNCF's "overflow issue"): MiniLM's mean
# cosine to the same graph in floats is then 0.994. With half of the range for weights nothing saturates: 0.9994.


def main(exported: str, sample: str, out: str, max_length: str) -> None:
    """Writes the quantized graph of an export, or ends with the reason on stderr.

    Args:
        exported: The export's folder.
        sample: A JSON file of texts.
        out: The folder to write to.
        max_length: At most this many tokens of a text are read; "0" for all of them.
    """
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # nothing is reported from here; see load_openvino
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    try:
        _quantize(Path(exported), json.loads(Path(sample).read_text(encoding="utf-8")), Path(out), int(max_length))
    except (OSError, MemoryError):
        raise
    except Exception as err:  # whatever NNCF or OpenVINO make of a graph that they can't quantize
        sys.exit(f"{type(err).__name__}: {' '.join(str(err).split())}")


def _quantize(exported: Path, texts: list[str], out: Path, max_length: int) -> None:
    openvino, nncf = load_openvino(), require("nncf", extra="openvino")
    graph = openvino.Core().read_model(exported / MODEL)
    names = [port.get_any_name() for port in graph.inputs]
    tokenizer = BatchTokenizer(exported / TOKENIZER, max_length=max_length or None, step=1)
    alone = BatchLimit(texts=1, tokens=1)  # no padding: it would count as what the layers see
    items = [{name: batch.inputs[name] for name in names} for batch in tokenizer.batches(texts, alone)]
    smoothing = nncf.AdvancedSmoothQuantParameters(matmul=SMOOTHING)
    halving = nncf.OverflowFix.ENABLE if cpu_saturates() else nncf.OverflowFix.DISABLE
    quantized = nncf.quantize(
        graph,
        nncf.Dataset(items),
        subset_size=len(items),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.PERFORMANCE,  # symmetric, a tenth faster than with zero points
        ignored_scope=nncf.IgnoredScope(types=LEFT_AS_IT_IS, validate=False),
        advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=halving, smooth_quant_alphas=smoothing),
    )
    openvino.save_model(quantized, out / MODEL, compress_to_fp16=False)

"""The process that brings an exported transformer to 8-bit integers: NNCF takes seconds to import, and prints."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from ....extras import require
from ..batching import BatchLimit
from .export import MODEL, TOKENIZER
from .runtime import TELEMETRY, load_openvino
from .token_batches import BatchTokenizer, TokenBatch

__all__ = ["main"]

# How much of the activations' range goes over to the weights. Of 0.5, 0.6, 0.75, 0.8, 0.85 and 0.95 (NNCF's default) it
# changes scores on Cranfield and XQuAD-en least.
SMOOTHING = 0.8
# In 8 bits OpenVINO 2026.4 lets attention see some of the padding: 3 points of nDCG@10 lost for queries.
LEFT_AS_IT_IS = ["ScaledDotProductAttention"]


def main(exported: str, out: str, sample: str = "", max_length: str = "0") -> None:
    """Writes the quantized graph of an export, or ends with the reason on stderr.

    Args:
        exported: The export's folder.
        out: The folder to write to.
        sample: A JSON file of texts; empty: the weights alone are brought to bytes.
        max_length: At most this many tokens of a text are read; "0" for all of them.
    """
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # nothing is reported from here; see load_openvino
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    try:
        _quantize(Path(exported), Path(out), Path(sample) if sample else None, int(max_length))
    except (OSError, MemoryError):
        raise
    except Exception as err:  # whatever NNCF or OpenVINO make of a graph that they can't quantize
        sys.exit(f"{type(err).__name__}: {' '.join(str(err).split())}")


def _quantize(exported: Path, out: Path, sample: Path | None, max_length: int) -> None:
    openvino, nncf = load_openvino(), require("nncf", extra="openvino")
    graph = openvino.Core().read_model(exported / MODEL)
    if sample is None:
        quantized = nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM)
    else:
        texts: list[str] = json.loads(sample.read_text(encoding="utf-8"))
        tokenizer = BatchTokenizer(exported / TOKENIZER, max_length=max_length or None, step=1)
        quantized = _static(nncf, graph, list(tokenizer.batches(texts, BatchLimit(texts=1, tokens=1))))
    openvino.save_model(quantized, out / MODEL, compress_to_fp16=False)


def _static(nncf: ModuleType, graph: Any, sample: list[TokenBatch]) -> Any:  # noqa: ANN401 (no types)
    """Returns the graph whose matrix products are of bytes, by the ranges that a sample gives.

    Args:
        nncf: The module.
        graph: The export's.
        sample: Texts one by one, without padding: it would count as what the layers see.
    """
    names = [port.get_any_name() for port in graph.inputs]
    items = [{name: batch.inputs[name] for name in names} for batch in sample]
    smoothing = nncf.AdvancedSmoothQuantParameters(matmul=SMOOTHING)
    return nncf.quantize(
        graph,
        nncf.Dataset(items),
        subset_size=len(items),
        model_type=nncf.ModelType.TRANSFORMER,
        # What comes in gets a zero point: behind GELU next to nothing is negative. Without it scores change by a third
        # more, and nDCG@10 on Cranfield falls by 0.004 to 0.008 in place of 0 to 0.003. With VNNI that takes no time.
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(types=LEFT_AS_IT_IS, validate=False),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            overflow_fix=nncf.OverflowFix.DISABLE, smooth_quant_alphas=smoothing
        ),
    )

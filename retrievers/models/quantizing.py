"""Brings a bi-encoder to 8-bit integers with a sample of a corpus, and measures what that saves and loses."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgumentError
from ...loaders.sentences import split_sentences
from .backend import openvino_precision
from .bundled import DEFAULT_BI_ENCODER
from .compute import choose_dtype
from .loading import HASH_EMBEDDER, find_model
from .openvino.encoder import OpenVINOEncoder
from .openvino.export import export_transformer
from .openvino.quantize import quantize_export, takes_sample
from .openvino.vector_head import refusal
from .sentence_transformer import SentenceTransformerEncoder, check_texts
from .token_counter import without_surrogates

__all__ = ["Quantization", "quantize_bi_encoder"]

SAMPLE = 128  # sentences: twice as many change no figure, and MiniLM takes 8 s with these
MEASURED = 256  # texts, none of which gave a sentence to the sample
PAYS = 1.05  # times as fast: what is less is no gain that a second measurement would show
LEAST = 40  # texts: half of them measure, and among ten of fewer the nearest ten say nothing
NEAREST = 10


@dataclass(frozen=True, slots=True)
class Quantization:
    """What a bi-encoder in int8 saves and loses, measured on texts that it was not quantized with.

    Args:
        model: The model's name.
        sample: How many sentences gave the ranges; 0 where the weights alone are in int8.
        measured: How many texts the figures are of; a sentence of each serves as its query.
        usual: What this machine computes in without int8.
        cosine: Mean cosine between a text's vectors in int8 and in float32, queries included.
        lowest_cosine: The lowest one.
        kept: Share of a query's ten nearest texts in float32 that are among the ten nearest in int8.
        query_ms: Median milliseconds to encode a query in int8.
        usual_query_ms: In what is usual.
        texts_per_second: Texts encoded a second in int8.
        usual_texts_per_second: In what is usual.
    """

    model: str
    sample: int
    measured: int
    usual: Literal["float32", "bfloat16"]
    cosine: float
    lowest_cosine: float
    kept: float
    query_ms: float
    usual_query_ms: float
    texts_per_second: float
    usual_texts_per_second: float

    @property
    def pays(self) -> bool:
        """Whether int8 is faster here, for queries or documents: a CPU without VNNI or AMX has no hardware for it."""
        queries, documents = self.usual_query_ms / self.query_ms, self.texts_per_second / self.usual_texts_per_second
        return max(queries, documents) >= PAYS


@dataclass(frozen=True, slots=True)
class _Run:
    documents: NDArray[np.float32]
    queries: NDArray[np.float32]
    query_ms: float
    texts_per_second: float


def quantize_bi_encoder(
    texts: Sequence[str], *, model: str = DEFAULT_BI_ENCODER, offline: bool = False
) -> Quantization:
    """Brings a bi-encoder to 8-bit integers, for `load_bi_encoder(..., dtype="int8")`, and measures what that does.

    Static quantization: a sentence of every other text runs through the model, and the ranges that its layers then see
    are what 8 bits are spread over. The other texts measure. On an x86 without VNNI, which multiplies bytes no faster
    than floats, the weights alone are brought to int8: that saves memory. The graph is kept in the user's cache beside
    the exported model, one a model: the sample of another corpus replaces it.

    Args:
        texts: Of the corpus, from all over it, 40 at least. Of one half at most 128 make the sample, of the other at
            most 256 measure.
        model: A folder or a name, as for `load_bi_encoder`.
        offline: Never ask the hub for the model.

    Returns:
        What was measured on this machine, one after the other.

    Raises:
        InvalidArgumentError: There are too few texts, or OpenVINO can't run this model.
        MissingExtraError: The extra "openvino" is not installed.
        ModelNotFoundError: The model can't be had, exported or quantized.

    Source:
        Jacob et al. 2018, Quantization and Training of Neural Networks, section 2.1; for outliers among activations
        Xiao et al. 2023, SmoothQuant.
    """
    check_texts(texts)
    if HASH_EMBEDDER.fullmatch(model):
        raise InvalidArgumentError(f"{model} is computed by no model: there is nothing to bring to int8")
    reference = SentenceTransformerEncoder(find_model(model, offline=offline), device="cpu")
    name = reference.folder.name
    openvino_precision(name, "openvino", lambda: refusal(reference.layout), device="cpu", dtype="auto")
    filled = list(dict.fromkeys(text for text in texts if text.strip()))
    if len(filled) < LEAST:
        raise InvalidArgumentError(
            f"int8 needs a sample of at least {LEAST} different texts of the corpus, got {len(filled)}"
        )
    sample, held = _spread(filled[::2], SAMPLE), _spread(filled[1::2], MEASURED)
    _quantize(reference, [_sentence(text, at) for at, text in enumerate(sample)])
    return _measured(reference, held, len(sample) if takes_sample() else 0)


def _quantize(reference: SentenceTransformerEncoder, sentences: list[str]) -> None:
    layout = reference.layout
    sides = ((layout.query, layout.query_prompt), (layout.document, layout.document_prompt))
    prompted: dict[int, list[str]] = {}
    for number, (modules, _) in enumerate(sides):
        same = 0 if modules[0] == layout.query[0] else number  # one transformer reads both sides' prompts
        prompted.setdefault(same, []).extend(sides[number][1] + text for text in sentences[number::2])
    for number, sample in prompted.items():
        transformer = sides[number][0][0]
        limit: int | None = transformer.config["max_length"]
        quantize_export(export_transformer(transformer), [without_surrogates(text) for text in sample], limit)


def _measured(reference: SentenceTransformerEncoder, texts: list[str], sample: int) -> Quantization:
    usual = choose_dtype("auto", "cpu")
    assert usual != "float16"
    queries = [_sentence(text, at) for at, text in enumerate(texts)]
    exact = _run(OpenVINOEncoder(reference, precision="float32", fall_back=False), texts, queries)
    before = exact
    if usual != "float32":
        before = _run(OpenVINOEncoder(reference, precision=usual, fall_back=False), texts, queries)
    after = _run(OpenVINOEncoder(reference, precision=usual, fall_back=False, quantized=True), texts, queries)
    cosines = np.concatenate(
        [(after.documents * exact.documents).sum(axis=1), (after.queries * exact.queries).sum(axis=1)]
    )
    return Quantization(
        model=reference.folder.name,
        sample=sample,
        measured=len(texts),
        usual=usual,
        cosine=float(cosines.mean()),
        lowest_cosine=float(cosines.min()),
        kept=_kept(exact, after),
        query_ms=after.query_ms,
        usual_query_ms=before.query_ms,
        texts_per_second=after.texts_per_second,
        usual_texts_per_second=before.texts_per_second,
    )


def _run(encoder: OpenVINOEncoder, texts: list[str], queries: list[str]) -> _Run:
    encoder.encode_documents(texts[:1])  # the graphs are compiled when they are first needed
    encoder.encode_queries(queries[:1])
    start = time.perf_counter()
    documents = encoder.encode_documents(texts)
    seconds = time.perf_counter() - start
    vectors, times = [], []
    for query in queries:
        start = time.perf_counter()
        vectors.append(encoder.encode_queries([query])[0])
        times.append(1_000 * (time.perf_counter() - start))
    return _Run(documents, np.stack(vectors), statistics.median(times), len(texts) / seconds)


def _kept(exact: _Run, after: _Run) -> float:
    """Returns the share of the nearest texts that stay among the nearest."""
    nearest = [np.argsort(-(it.queries @ it.documents.T), axis=1, kind="stable")[:, :NEAREST] for it in (exact, after)]
    shared = [len(set(theirs) & set(ours)) for theirs, ours in zip(*nearest, strict=True)]
    return sum(shared) / nearest[0].size


def _spread(texts: list[str], count: int) -> list[str]:
    """Returns at most so many of the texts, from all over."""
    return [texts[at * len(texts) // count] for at in range(count)] if len(texts) > count else texts


def _sentence(text: str, at: int) -> str:
    """Returns a sentence of a text, another one for another number."""
    spans = [span for span in split_sentences(text) if text[slice(*span)].strip()]
    return text[slice(*spans[at % len(spans)])].strip() if spans else text

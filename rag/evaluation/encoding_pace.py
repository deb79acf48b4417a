"""How long an encoder takes for a text on this machine, from a few seconds of encoding."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ...retrievers.retriever import Encoder, TokenEncoder

__all__ = ["EncodingPace", "measure_encoding"]

ENCODE_SECONDS = 3.0  # of measuring; a batch that has begun is finished
BATCH = 32  # texts: an encoder sorts them by length, as it does when indexing
WARMING = 4  # texts encoded before, untimed: the first ones load the model
SPECIAL_TOKENS = 3  # of a ColBERT document beside its tokens: [CLS], the marker, [SEP] (Khattab & Zaharia 2020, 3.2)
WARM_UP = "warm up"
ROWS_ERROR = 0.05  # of vectors a token, measured on a part of the texts
TOKENS_ERROR = 0.2  # of the same where nothing was encoded: punctuation is an eighth of English tokens


@dataclass(frozen=True, slots=True)
class EncodingPace:
    """How long encoding takes, and how many vectors a text has.

    Args:
        seconds_a_text: None where it was not measured.
        rows_a_text: Vectors of a text: 1 for a bi-encoder.
        rows_error: The share by which that may be off; 0 where every text was encoded.
        load_seconds: Of loading the model.
    """

    seconds_a_text: float | None
    rows_a_text: float
    rows_error: float
    load_seconds: float


def measure_encoding(encoder: Encoder | TokenEncoder, texts: Sequence[str], *, encode: bool) -> EncodingPace:
    """Returns how long an encoder takes for texts like these, and how many vectors it makes of one.

    Args:
        encoder: Its model is loaded here, if it is to encode.
        texts: A sample of what will be indexed.
        encode: Whether to measure; else vectors are counted from tokens, which counts the punctuation too that many
            checkpoints leave out.
    """
    if not encode or not texts:
        return EncodingPace(None if texts else 0.0, *_rows_a_text(encoder, texts, 0, 0), 0.0)
    began = time.perf_counter()
    encoder.encode_documents([WARM_UP])
    load_seconds = time.perf_counter() - began
    shuffled = random.Random(0).sample(list(texts), len(texts))
    encoder.encode_documents(shuffled[:WARMING])
    done, rows, spent = 0, 0, 0.0
    while done < len(shuffled) and spent < ENCODE_SECONDS:
        batch = shuffled[done : done + BATCH]
        began = time.perf_counter()
        vectors = encoder.encode_documents(batch)
        spent += time.perf_counter() - began
        rows += sum(map(len, vectors)) if isinstance(encoder, TokenEncoder) else len(vectors)
        done += len(batch)
    return EncodingPace(spent / done, *_rows_a_text(encoder, shuffled, done, rows), load_seconds)


def _rows_a_text(encoder: Encoder | TokenEncoder, texts: Sequence[str], encoded: int, rows: int) -> tuple[float, float]:
    """Returns how many vectors a text has, and the share by which that may be off.

    Args:
        encoder: Whose vectors.
        texts: The whole sample.
        encoded: How many of the texts, from the first on, were encoded.
        rows: Their vectors.
    """
    if not isinstance(encoder, TokenEncoder) or not texts:
        return 1.0, 0.0
    if encoded == len(texts):
        return rows / encoded, 0.0
    tokens = [min(count, encoder.max_tokens) + SPECIAL_TOKENS for count in encoder.count_tokens(texts)]
    a_text = sum(tokens) / len(texts)
    return (a_text * rows / sum(tokens[:encoded]), ROWS_ERROR) if encoded else (a_text, TOKENS_ERROR)

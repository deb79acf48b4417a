"""What a similarity means: each model's own background, so that one threshold serves them all."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable
from weakref import WeakKeyDictionary

import numpy as np

from ..errors import InvalidArgumentError
from .remembered import recall, remember
from .retriever import Encoder, TokenEncoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CosineScale", "Repeatable", "measure_scale"]

Vectors: TypeAlias = "NDArray[np.float32] | list[NDArray[np.float32]]"

# Twelve everyday topics, far from each other: (question, sentence that answers it, paraphrase of that sentence).
_PROBES = (
    (
        "When did the ship arrive?",
        "The ship reached the harbour before sunset.",
        "By dusk the vessel had come into port.",
    ),
    (
        "How are the eggs prepared?",
        "Whisk the eggs with sugar until pale.",
        "Beat sugar and eggs until light in colour.",
    ),
    (
        "What did the court decide?",
        "The court turned down the appeal last week.",
        "The judges rejected the appeal days ago.",
    ),
    (
        "What do enzymes do?",
        "Enzymes make reactions in cells run faster.",
        "Chemical reactions in cells are sped up by enzymes.",
    ),
    (
        "Was her second book a success?",
        "Her second novel sold poorly at first.",
        "Few copies of her second novel were bought.",
    ),
    (
        "How much did interest rates rise?",
        "Rates went up by a quarter of a point.",
        "Interest rates rose a quarter point.",
    ),
    (
        "How are the bolts tightened?",
        "Tighten the four bolts crosswise.",
        "The four bolts are fastened in a cross pattern.",
    ),
    (
        "Who stopped the penalties?",
        "The goalkeeper saved two penalties.",
        "Two penalty kicks were stopped by the keeper.",
    ),
    ("What shaped this valley?", "Glaciers carved this valley long ago.", "The valley was formed by ancient glaciers."),
    (
        "When must the server restart?",
        "Restart the server after each update.",
        "Updates require that the server is rebooted.",
    ),
    (
        "Do small children pay a fare?",
        "Children under five travel free.",
        "No ticket is needed for a child below five.",
    ),
    ("How is a violin tuned?", "The strings of a violin stand a fifth apart.", "Violin strings are tuned in fifths."),
)
VERSION = 1  # of how a scale is measured: another one makes every scale be measured anew
REMEMBERED = "scales"
SLACK = 1e-3  # above 1: what rounding makes of the similarity of equal texts
MIN_SPREAD = 0.4  # of what the background leaves free: MiniLM-L6 has 0.61, hashed word counts 0.33 to 0.37

_scales: WeakKeyDictionary[Encoder | TokenEncoder, dict[bool, CosineScale]] = WeakKeyDictionary()  # by `questions`
_scales_lock = Lock()


@runtime_checkable
class Repeatable(Protocol):
    """An encoder that gives a text the same vector in every process, so that what was measured of it can be kept."""

    @property
    def computation(self) -> str | None:
        """What its vectors depend on beside their space, to the last digit: runtime, precision and the like.

        None where that is not known.
        """
        ...


@dataclass(frozen=True, slots=True)
class CosineScale:
    """The two ends of an encoder's similarities, measured on short built-in texts.

    Args:
        background: Mean similarity of unrelated texts: 0 on the common scale.
        related: Mean similarity of texts that belong together: 1 on the common scale.
    """

    background: float
    related: float

    @property
    def meaningful(self) -> bool:
        """Whether the encoder tells related texts from unrelated ones; if not, its cosines prove nothing."""
        return self.related - self.background >= MIN_SPREAD * (1.0 - self.background)

    def scaled(self, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the cosines on the common scale: 0 is unrelated, 1 is typical of texts that belong together.

        Args:
            cosines: Any shape.

        Raises:
            InvalidArgumentError: A cosine is not finite.
        """
        _check_finite(cosines)
        result: NDArray[np.float32] = (cosines - self.background) / (self.related - self.background)
        return result


def measure_scale(encoder: Encoder | TokenEncoder, *, questions: bool) -> CosineScale:
    """Returns the encoder's scale; the first call for an encoder costs the encoding of 24 short texts.

    It is remembered as long as the encoder lives. One that can't be hashed or weakly referenced is measured each time.
    That of a `Repeatable` encoder is kept in the user's cache, too: a later process reads the same numbers there.

    The scale takes out what differs most between models, an offset and a factor: many models give unrelated texts 0.4
    to 0.7. A model whose cosines are another's plus a constant share gets exactly the other's scaled values.

    Args:
        encoder: One of vectors, compared by cosine, or of token vectors, compared by mean MaxSim.
        questions: Whether questions are compared with sentences, or sentences with sentences.

    Raises:
        InvalidArgumentError: The encoder gave a vector that is not finite.
    """
    try:
        with _scales_lock:
            known = _scales.setdefault(encoder, {})
    except TypeError:
        known = {}
    if questions not in known:  # two threads may both measure: the results are the same
        known[questions] = _recalled_or_measured(encoder, questions)
    return known[questions]


def _recalled_or_measured(encoder: Encoder | TokenEncoder, questions: bool) -> CosineScale:
    depends_on = _what_decides(encoder, questions)
    if depends_on is None:
        return _measured(encoder, questions)
    numbers = recall(REMEMBERED, depends_on)
    if numbers is not None and len(numbers) == 2 and all(abs(number) <= 1 + SLACK for number in numbers):
        return CosineScale(*numbers)
    scale = _measured(encoder, questions)
    if _what_decides(encoder, questions) == depends_on:  # it has not changed over to another runtime meanwhile
        remember(REMEMBERED, depends_on, (scale.background, scale.related))
    return scale


def _what_decides(encoder: Encoder | TokenEncoder, questions: bool) -> dict[str, Any] | None:
    """Returns all that an encoder's scale depends on, None where that is not known."""
    computation = encoder.computation if isinstance(encoder, Repeatable) else None
    if computation is None:
        return None
    return {
        "version": VERSION,
        "space": encoder.space.fingerprint,
        "computation": computation,
        "questions": questions,
        "probes": _PROBES,
    }


def _measured(encoder: Encoder | TokenEncoder, questions: bool) -> CosineScale:
    asked, said, again = (list(texts) for texts in zip(*_PROBES, strict=True))
    left = encoder.encode_queries(asked) if questions else encoder.encode_documents(again)
    similarities = _similarities(left, encoder.encode_documents(said))
    count = len(_PROBES)
    related = float(similarities.diagonal().mean())
    _check_finite(similarities)
    unrelated = float((similarities.sum() - similarities.trace()) / (count * (count - 1)))
    return CosineScale(background=unrelated, related=related)


def _similarities(left: Vectors, right: Vectors) -> NDArray[np.float32]:
    """Returns how similar each text of the left is to each of the right, shape (left, right)."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        products: NDArray[np.float32] = left @ right.T
        return products
    means = [[(rows @ others.T).max(axis=1).mean() for others in right] for rows in left]
    return np.array(means, np.float32)


def _check_finite(cosines: NDArray[np.float32]) -> None:
    if not np.isfinite(cosines).all():
        raise InvalidArgumentError("the encoder gave vectors with NaN or infinity: its model or its dtype is broken")

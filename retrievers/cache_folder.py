"""Where this machine keeps what is made once and needed by every process."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ModelNotFoundError

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """Returns where exported models are kept, and what was measured of models: $LATERAL_CACHE, or the user's cache.

    Raises:
        ModelNotFoundError: The user has no home to hold it.
    """
    if own := os.environ.get("LATERAL_CACHE"):
        return Path(own)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "lateral"
    try:
        return Path.home() / ".cache" / "lateral"
    except RuntimeError as err:
        raise ModelNotFoundError(f"no place for the exported model: set LATERAL_CACHE to a folder ({err})") from err

"""The filter that --where gives."""

from __future__ import annotations

import json
from typing import Any

from ...errors import InvalidArgumentError

__all__ = ["parse_where"]


def parse_where(text: str | None) -> dict[str, Any] | None:
    """Returns the filter that a text holds as JSON, None for no text.

    Raises:
        InvalidArgumentError: It is no JSON object.
    """
    if text is None:
        return None
    try:
        where = json.loads(text)
    except json.JSONDecodeError as err:
        raise InvalidArgumentError(f"--where must be JSON, such as '{{\"page\": 3}}', got {text!r:.80}: {err}") from err
    if not isinstance(where, dict):
        raise InvalidArgumentError(f"--where must be a JSON object, such as '{{\"page\": 3}}', got {text!r:.80}")
    return where

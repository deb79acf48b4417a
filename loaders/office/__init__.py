"""Office files: Word, PowerPoint and Excel, behind a check of their archive."""

from __future__ import annotations

from .read import read_office

__all__ = ["read_office"]

"""The process's own stdout and stderr: without Unicode, closed, or read by one who leaves early."""

from __future__ import annotations

import io
import os
import sys

__all__ = ["drop_output", "open_streams"]


def open_streams() -> None:
    """Has stdout and stderr take any text: where they are closed, it goes nowhere."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # its descriptor is free, and the next file opened would get it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode shows a question mark, and no traceback


def drop_output() -> None:
    """Lets what stdout still holds go nowhere: nobody reads it, and Python would complain of that at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

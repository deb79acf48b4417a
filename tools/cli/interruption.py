"""Ctrl-C: whether it came, and what is true of the command that it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["EXIT_INTERRUPTED", "INDEX_KEEPS", "Interruption"]

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells count
GOES_ON = "interrupted: what was committed is safe, run the same command to go on"
BEGINS_ANEW = "interrupted: nothing is kept, the same command begins anew"
INDEX_KEEPS = " (--index DIR keeps what is indexed)"  # of the commands that make one for themselves


class Interruption:
    """A handler of SIGINT that remembers: what an import makes of a KeyboardInterrupt may be an error of its own.

    It is imported before all else, and so takes nothing heavy, dataclasses among it.
    """

    def __init__(self) -> None:
        self.came = False
        self.words = GOES_ON

    def __call__(self, number: int, frame: FrameType | None) -> NoReturn:
        """Raises KeyboardInterrupt, as Python's own handler does."""
        self.came = True
        raise KeyboardInterrupt

    def begins_anew(self, hint: str = "") -> None:
        """Told by a command that keeps nothing before its end.

        Args:
            hint: What would keep something.
        """
        self.words = f"{BEGINS_ANEW}{hint}"

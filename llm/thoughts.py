"""What a chat model thinks aloud before its answer, where its server sends that along."""

from __future__ import annotations

import re

__all__ = ["ThoughtCutter", "without_thought"]

OPENED, CLOSED = "<think>", "</think>"
_CLOSED = re.compile(CLOSED, re.IGNORECASE)
_INK = re.compile(r"\S")
# Between tags, or up to the second one where the server keeps the first.
_THOUGHT = re.compile(r"\A.*</think>|<think>.*\Z", re.DOTALL | re.IGNORECASE)


def without_thought(reply: str) -> str:
    """Returns a whole reply without the thought, empty where it is nothing else."""
    return _THOUGHT.sub("", reply)


class ThoughtCutter:
    """Drops thoughts from the beginning of a reply that comes in pieces.

    `has_cut` says whether there was one. A thought whose first tag the server keeps is passed on: until its end it
    can't be told from an answer.
    """

    def __init__(self) -> None:
        self._held = ""  # not decided yet; of a thought, what its last tag may begin with
        self._thinks = False
        self._answers = False
        self.has_cut = False

    def feed(self, piece: str) -> str:
        """Returns what of the reply so far is the answer's and was not returned before."""
        if self._answers:
            return piece
        text, at = self._held + piece, 0
        while True:
            if self._thinks:
                closed = _CLOSED.search(text, at)
                if closed is None:
                    self._held = text[max(at, len(text) - len(CLOSED) + 1) :]
                    return ""
                at, self._thinks = closed.end(), False
            ink = _INK.search(text, at)
            begins = ink.start() if ink else len(text)
            beginning = text[begins : begins + len(OPENED)].lower()
            if beginning == OPENED:
                at, self._thinks, self.has_cut = begins + len(OPENED), True, True
                continue
            self._held = text[begins if self.has_cut else at :]
            if OPENED.startswith(beginning):
                return ""
            self._answers = True
            return self.finish()

    def finish(self) -> str:
        """Returns what was held back; nothing of a thought that has no end."""
        held, self._held = self._held, ""
        return "" if self._thinks else held

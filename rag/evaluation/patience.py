"""Waiting while a chat model's server can't be had: a short outage must not cost a long run what follows it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from ...errors import (
    ChatModelRefusedError,
    ChatModelReplyError,
    ChatModelTimeoutError,
    ChatModelUnavailableError,
    ChatModelUnreachableError,
)

__all__ = ["COOL_DOWNS", "Patience"]

logger = logging.getLogger(__name__)

COOL_DOWNS = 3  # in a row: 45 s as `Retries` has it. A restart is over by then, and what is still away stays away

Reply = TypeVar("Reply")


class Patience:
    """Asks again after a cool-down where a server can't be had: three times in a row at most, over all calls together.

    A server that no connection could ever be made to is not waited for: its address is wrong, or it was not started.

    Args:
        cool_down: Seconds to wait: those of the client's `Retries`, after which its breaker lets a call through.
    """

    def __init__(self, cool_down: float) -> None:
        self._cool_down = cool_down
        self._left = COOL_DOWNS
        self._reached = False
        self.spent = False  # whether the last call failed for good: what follows would fail too

    def ask(self, call: Callable[[], Reply]) -> Reply:
        """Returns what a call gives.

        Args:
            call: Asks a chat model.

        Raises:
            ChatModelError: There is no answer, after waiting where that could help.
        """
        while True:
            try:
                reply = call()
            except (ChatModelRefusedError, ChatModelReplyError):  # the server is there, and this call is the trouble
                self._told()
                raise
            except ChatModelTimeoutError:
                self._reached = True
                raise
            except ChatModelUnavailableError as err:
                if not isinstance(err, ChatModelUnreachableError):
                    self._reached = True
                elif not self._reached:
                    self._left = 0
                if not self._left:
                    self.spent = True
                    raise
                self._left -= 1
                logger.warning("%s; asking again in %g s", err, self._cool_down)
                time.sleep(self._cool_down)
            else:
                self._told()
                return reply

    def _told(self) -> None:
        """Notes that the server is there."""
        self._left, self._reached, self.spent = COOL_DOWNS, True, False
